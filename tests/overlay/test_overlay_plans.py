"""Overlays on one object, by example."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from overlay_kit import (
    NOW,
    ROUTES,
    Object,
    abort,
    content,
    destination_rule,
    holder,
    named,
    owners,
    route,
    shaped,
    unmarked,
    virtual_service,
    weights,
)

from autopilot.kube.marks import OVERLAID, OVERLAID_OWNERS, OVERLAY
from autopilot.overlay.apply import as_stored, plan
from autopilot.overlay.errors import Foreign, Held, NotThere, NotUnique, TooLarge
from autopilot.overlay.foreign import a_fault, a_mirror, a_split
from autopilot.overlay.locate import Locator
from autopilot.overlay.record import read
from autopilot.overlay.undo import finish, undo
from autopilot.overlay.values import ABSENT
from autopilot.overlay.wish import Wish

if TYPE_CHECKING:
    from autopilot.kube.client import Body


def fault(locator: Locator, value: Any = None, who: str = "one", **more: Any) -> Wish:
    fields = {"/fault": abort() if value is None else value}
    return Wish(
        holder(who), "fault", "hazard", locator, fields, foreign={"/fault": a_fault}, **more
    )


def split(locator: Locator, who: str = "two", **shares: int) -> Wish:
    fields = {"/route": weights(**shares)}
    return Wish(holder(who), "split", "protection", locator, fields, foreign={"/route": a_split})


def test_the_field_and_its_record_are_one_patch_under_the_objects_version() -> None:
    thing = Object(virtual_service(route("a"), route("b")))
    patch = plan(thing.body, fault(named("b")), NOW).patch
    assert [(op["op"], op["path"].rpartition("/overlay.")[0] or op["path"]) for op in patch] == [
        ("test", "/metadata/uid"),
        ("test", "/metadata/resourceVersion"),
        ("add", "/spec/http/1/fault"),
        ("add", "/metadata/annotations"),
        ("add", "/metadata/labels"),
        ("add", "/metadata/annotations/autopilot.mesh~1overlaid-owners"),
    ]
    thing.patch(patch)
    (overlay,) = read(thing.body).overlays
    assert (overlay.holder, overlay.target) == (holder(), "uid-object")
    assert (overlay.before, overlay.after) == ({}, {"/fault": abort()})
    assert thing.body["metadata"]["labels"] == {OVERLAID: "true"}


def test_undo_puts_back_spec_labels_annotations_and_owners_with_their_times() -> None:
    before = virtual_service(route("a", timeout="3s"), labels={"app": "web"})
    thing = Object(before)
    first = thing.body
    thing.put(fault(named("a")))
    thing.put(
        Wish(holder("two"), "timeout", "protection", named("a"), {"/timeout": "1s", "/retries": {}})
    )
    assert not unmarked(thing.body)
    thing.undo("one")
    assert "fault" not in thing.body["spec"]["http"][0]
    assert thing.body["spec"]["http"][0]["timeout"] == "1s"
    thing.undo("two")
    assert content(thing.body) == content(first)
    assert thing.body["metadata"]["managedFields"] == first["metadata"]["managedFields"]
    thing.apply(before)
    assert thing.body["metadata"]["managedFields"] == first["metadata"]["managedFields"]


def test_a_ladders_next_step_keeps_what_stood_before() -> None:
    thing = Object(virtual_service(route("a", host="web")))
    first = thing.body
    for share in (10, 50, 100):
        planned = thing.put(split(named("a"), web=100 - share, standby=share))
        assert planned.change == ("new" if share == 10 else "step")
        assert not thing.put(split(named("a"), web=100 - share, standby=share)).patch
    assert read(thing.body).overlays[0].before["/route"] == route("a")["route"]
    thing.undo()
    assert content(thing.body) == content(first)


def test_a_route_without_a_name_stays_known_while_a_split_holds_it() -> None:
    other = route("", "api", match=[{"uri": {"prefix": "/api"}}])
    thing = Object(virtual_service(other, route("", "web")))
    first = thing.body
    thing.put(split(shaped(thing.body, 1), web=0, standby=100))
    assert shaped(thing.body, 1) == shaped(first, 1)
    assert not thing.put(split(shaped(thing.body, 1), web=0, standby=100)).patch
    # Known by where it leads now, it is still the same overlay.
    now = Locator(ROUTES, "", ABSENT, ({"host": "standby"}, {"host": "web"}))
    assert not thing.put(split(now, web=0, standby=100)).patch
    thing.put(fault(shaped(first, 1)))
    thing.edit(lambda body: body["spec"]["http"].reverse())
    thing.edit(lambda body: body["spec"]["http"].insert(0, route("new", "new")))
    thing.undo("two")
    thing.undo("one")
    assert thing.body["spec"]["http"] == [route("new", "new"), route("", "web"), other]


def test_a_locator_that_fits_two_routes_or_none_is_refused() -> None:
    thing = Object(virtual_service(route("a"), route("a"), route("", "x"), route("", "x")))
    with pytest.raises(NotUnique, match=r"route 'a' in /spec/http could be any of 0, 1"):
        plan(thing.body, fault(named("a")), NOW)
    with pytest.raises(NotUnique, match="could be any of 2, 3"):
        plan(thing.body, fault(shaped(thing.body, 2)), NOW)
    with pytest.raises(NotThere, match="route 'z' in /spec/http isn't there"):
        plan(thing.body, fault(named("z")), NOW)


@pytest.mark.parametrize(
    ("wish", "held", "judge"),
    [
        ({"/fault": abort()}, {"fault": abort(50)}, a_fault),
        ({"/route": weights(b=100)}, {"route": weights(web=100, other=0)}, a_split),
        ({"/mirror": {"host": "b"}}, {"mirror": {"host": "c"}}, a_mirror),
    ],
)
def test_what_others_inject_or_split_is_left_alone_unless_taken_over(
    wish: dict[str, Any], held: Body, judge: Any
) -> None:
    thing = Object(virtual_service({**route("a"), **held}))
    first = thing.body
    judges = dict.fromkeys(wish, judge)
    with pytest.raises(Foreign, match="already holds a"):
        plan(first, Wish(holder(), "x", "hazard", named("a"), wish, foreign=judges), NOW)
    thing.put(Wish(holder(), "x", "hazard", named("a"), wish, foreign=judges, take_over=True))
    assert thing.body["spec"] != first["spec"]
    thing.undo()
    assert content(thing.body) == content(first)


def test_the_first_to_hold_a_field_keeps_it_and_the_second_takes_over_when_it_is_free() -> None:
    thing = Object(virtual_service(route("a")))
    thing.put(fault(named("a"), abort(10)))
    with pytest.raises(Held, match=r"/spec/http/0/fault is held by Rule shop/one \(fault\)"):
        plan(thing.body, fault(named("a"), abort(20), "two"), NOW)
    delay = {"/fault/delay": {"fixedDelay": "1s", "percentage": {"value": 1}}}
    with pytest.raises(Held):
        plan(thing.body, Wish(holder("two"), "delay", "hazard", named("a"), delay), NOW)
    thing.undo("one")
    assert thing.put(fault(named("a"), abort(20), "two")).change == "new"


def test_a_holder_made_anew_under_its_name_takes_its_marks_over() -> None:
    thing = Object(virtual_service(route("a", fault=abort(1))))
    thing.put(fault(named("a"), take_over=True))
    again = Wish(holder(uid="uid-next"), "fault", "hazard", named("a"), {"/fault": abort()})
    assert thing.put(again).change == "record"
    (overlay,) = read(thing.body).overlays
    assert (overlay.holder.uid, overlay.before) == ("uid-next", {"/fault": abort(1)})


def test_an_inserted_route_is_removed_by_name_whatever_became_of_it() -> None:
    mirror = route("autopilot-vip", "web", match=[{"headers": {"x": {"exact": "1"}}}])
    wish = Wish(holder(), "shed", "protection", named("b"), insert=mirror)
    thing = Object(virtual_service(route("a"), route("b")))
    first = thing.body
    thing.put(wish)
    assert [each["name"] for each in thing.body["spec"]["http"]] == ["a", "autopilot-vip", "b"]
    assert not thing.put(wish).patch
    with pytest.raises(Held):
        plan(thing.body, fault(named("autopilot-vip"), None, "two"), NOW)
    rival = Wish(holder("two"), "shed", "protection", named("b"), insert=mirror)
    with pytest.raises(Held, match="Rule shop/one"):
        plan(thing.body, rival, NOW)
    thing.edit(lambda body: body["spec"]["http"][1].update(timeout="9s"))
    assert thing.put(wish).change == "repair"
    thing.edit(lambda body: body["spec"]["http"].pop(1))
    assert thing.put(wish).change == "repair"
    assert not thing.put(wish).patch
    thing.edit(lambda body: body["spec"]["http"][1].update(timeout="9s"))
    thing.edit(lambda body: body["spec"]["http"].append(body["spec"]["http"][1]))
    with pytest.raises(NotUnique, match="fits 2 routes by now"):
        plan(thing.body, wish, NOW)
    thing.undo()
    assert content(thing.body) == content(first)
    with pytest.raises(Foreign, match="isn't autopilot's"):
        plan(virtual(mirror), wish, NOW)


def virtual(*routes: Body) -> Body:
    return Object(virtual_service(*routes)).body


def test_a_list_that_had_to_be_made_for_an_inserted_route_goes_with_it() -> None:
    body = virtual_service()
    del body["spec"]["http"]
    thing = Object(body)
    first = thing.body
    for name in ("one", "two"):
        insert = route(f"autopilot-{name}")
        thing.put(Wish(holder(name), "x", "hazard", Locator(ROUTES), insert=insert))
    thing.undo("one")
    thing.undo("two")
    assert content(thing.body) == content(first)
    assert owners(thing.body) == owners(first)


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_parents_made_for_a_field_go_with_the_last_overlay_below_them(
    order: tuple[str, str],
) -> None:
    thing = Object(destination_rule())
    first = thing.body
    ejection = {"/spec/trafficPolicy/outlierDetection": {"consecutive5xxErrors": 3}}
    limit = {"/spec/trafficPolicy/connectionPool/tcp/maxConnections": 5}
    thing.put(Wish(holder("one"), "outlierDetection", "protection", fields=ejection))
    thing.put(Wish(holder("two"), "limit", "protection", fields=limit))
    assert thing.body["spec"]["trafficPolicy"] == {
        "outlierDetection": {"consecutive5xxErrors": 3},
        "connectionPool": {"tcp": {"maxConnections": 5}},
    }
    for name in order:
        thing.undo(name)
    assert content(thing.body) == content(first)
    assert owners(thing.body) == owners(first)


def test_a_plain_fields_owner_gets_it_back_while_another_overlay_stays() -> None:
    policy = {"outlierDetection": {"interval": "5s"}, "loadBalancer": {"simple": "RANDOM"}}
    before = destination_rule(trafficPolicy=policy)
    thing = Object(before)
    first = thing.body
    ejection = {"/spec/trafficPolicy/outlierDetection": {"interval": "1s"}}
    balance = {"/spec/trafficPolicy/loadBalancer/simple": "ROUND_ROBIN"}
    thing.put(Wish(holder("one"), "outlierDetection", "protection", fields=ejection))
    thing.put(Wish(holder("two"), "balance", "protection", fields=balance))
    thing.undo("one")
    helm = next(e for e in owners(thing.body) if e["manager"] == "helm")
    spec = helm["fieldsV1"]["f:spec"]["f:trafficPolicy"]
    assert spec == {"f:outlierDetection": {"f:interval": {}}}
    thing.undo("two")
    assert thing.body["metadata"]["managedFields"] == first["metadata"]["managedFields"]


def test_what_others_changed_since_stays_and_is_said() -> None:
    thing = Object(virtual_service(route("a", timeout="3s")))
    fields = {"/timeout": "1s", "/retries": {"attempts": 2}}
    thing.put(Wish(holder(), "t", "protection", named("a"), fields))
    thing.edit(lambda body: body["spec"]["http"][0].update(timeout="7s"))
    outcomes = thing.undo()
    assert [(each.field, each.how) for each in outcomes] == [
        ("/timeout", "changed"),
        ("/retries", "restored"),
    ]
    assert "changed by others: left as it is" in outcomes[0].why
    assert thing.body["spec"]["http"] == [route("a", timeout="7s")]
    assert unmarked(thing.body)


def test_who_took_the_list_from_us_owns_it_after_the_undo() -> None:
    thing = Object(virtual_service(route("a"), route("b")))
    thing.put(fault(named("a")))
    thing.edit(lambda body: body["spec"]["http"][1].update(timeout="7s"), "kubectl-edit")
    thing.undo()
    spec = [e["manager"] for e in owners(thing.body) if "f:http" in e["fieldsV1"].get("f:spec", {})]
    assert spec == ["kubectl-edit"]
    assert thing.body["spec"]["http"] == [route("a"), route("b", timeout="7s")]


def test_absent_and_null_are_told_apart() -> None:
    thing = Object(virtual_service(route("a", timeout=None), route("b")))
    for name in ("a", "b"):
        thing.put(Wish(holder(name), "t", "protection", named(name), {"/timeout": "1s"}))
    before = {each.holder.name: each.before for each in read(thing.body).overlays}
    assert before == {"a": {"/timeout": None}, "b": {}}
    thing.undo()
    assert thing.body["spec"]["http"] == [route("a", timeout=None), route("b")]


def test_a_field_that_is_wanted_gone_comes_back() -> None:
    thing = Object(virtual_service(route("a", retries={"attempts": 3})))
    first = thing.body
    thing.put(Wish(holder(), "t", "protection", named("a"), {"/retries": ABSENT}))
    assert "retries" not in thing.body["spec"]["http"][0]
    thing.undo()
    assert content(thing.body) == content(first)


def test_a_field_that_a_later_wish_leaves_out_is_put_back() -> None:
    thing = Object(virtual_service(route("a", timeout="3s")))
    first = thing.body
    thing.put(Wish(holder(), "t", "protection", named("a"), {"/timeout": "1s"}))
    thing.put(Wish(holder(), "t", "protection", named("a"), {"/retries": {"attempts": 1}}))
    assert thing.body["spec"]["http"] == [route("a", timeout="3s", retries={"attempts": 1})]
    thing.undo()
    assert content(thing.body) == content(first)
    assert owners(thing.body) == owners(first)


def test_a_foreign_change_is_planned_as_a_repair_that_keeps_what_stood_before() -> None:
    thing = Object(virtual_service(route("a")))
    first = thing.body
    thing.put(fault(named("a")))
    thing.apply(virtual_service(route("a")), "argo", force=True)
    assert thing.put(fault(named("a"))).change == "repair"
    thing.undo()
    assert content(thing.body) == content(first)


def test_a_lost_label_is_put_back_while_the_overlay_is_wanted() -> None:
    thing = Object(virtual_service(route("a")))
    thing.put(fault(named("a")))
    thing.edit(lambda body: body["metadata"].pop("labels"))
    assert thing.put(fault(named("a"))).change == "record"
    assert thing.body["metadata"]["labels"] == {OVERLAID: "true"}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "[" * 5000, '{"owner": 3}', '{"owner": {}, "fields": ["x"]}'],
)
def test_a_broken_mark_is_reported_and_hinders_nobody(text: str) -> None:
    notes = {f"{OVERLAY}broken": text, OVERLAID_OWNERS: text}
    thing = Object(virtual_service(route("a"), annotations=notes))
    first = thing.body
    marks = read(thing.body)
    assert not marks.overlays
    assert f"{OVERLAY}broken" in {each.key for each in marks.broken}
    thing.put(fault(named("a")))
    thing.undo()
    assert thing.body["spec"] == first["spec"]
    assert thing.body["metadata"]["annotations"][f"{OVERLAY}broken"] == text


def test_a_mark_with_any_one_part_spoiled_never_crashes() -> None:
    thing = Object(virtual_service(route("a", timeout="3s")))
    thing.put(Wish(holder(), "t", "hazard", named("a"), {"/timeout": "1s"}, deadline=NOW))
    (key,) = [k for k in thing.body["metadata"]["annotations"] if k.startswith(OVERLAY)]
    good = json.loads(thing.body["metadata"]["annotations"][key])
    for name in good:
        for spoiled in (None, 3, "x", [], {}, [3], {"x": 3}):
            text = json.dumps({**good, name: spoiled})
            thing.body["metadata"]["annotations"][key] = text
            assert len(read(thing.body).overlays) + len(read(thing.body).broken) == 1
            undo(thing.body, lambda _: True)
            finish(thing.body)


def test_a_record_too_large_for_an_annotation_is_refused() -> None:
    long = {"headers": {"request": {"set": {"x": "y" * 70_000}}}}
    thing = Object(virtual_service(route("a", **long)))
    with pytest.raises(TooLarge, match="couldn't be undone"):
        plan(
            thing.body,
            Wish(holder(), "h", "hazard", named("a"), {"/headers": {}}),
            NOW,
        )


def test_a_renamed_route_that_still_holds_the_change_keeps_its_mark_for_a_person() -> None:
    thing = Object(virtual_service(route("a"), route("b")))
    thing.put(fault(named("a")))
    thing.edit(lambda body: body["spec"]["http"][0].update(name="c"))
    (outcome,) = thing.undo()
    assert outcome.how == "unclear"
    assert "was it renamed?" in outcome.why
    assert read(thing.body).overlays
    thing.edit(lambda body: body["spec"]["http"][0].update(name="a"))
    thing.undo()
    assert unmarked(thing.body)


def test_a_deleted_route_takes_its_overlay_along() -> None:
    thing = Object(virtual_service(route("a"), route("b")))
    thing.put(fault(named("a")))
    thing.edit(lambda body: body["spec"]["http"].pop(0))
    (outcome,) = thing.undo()
    assert outcome.how == "gone"
    assert unmarked(thing.body)


def test_a_hazard_is_removed_from_a_nameless_route_that_leads_elsewhere_since() -> None:
    thing = Object(virtual_service(route("", "web")))
    thing.put(fault(shaped(thing.body, 0)))
    new = route("", "v2")["route"]
    thing.edit(lambda body: body["spec"]["http"][0].update(route=new))
    thing.undo()
    assert thing.body["spec"]["http"] == [route("", "v2")]


def test_a_change_that_would_make_a_route_look_like_another_is_refused() -> None:
    both = weights(web=1, api=99)
    thing = Object(virtual_service(route("", route=both), route("", "web")))
    with pytest.raises(NotUnique, match="would look like another route"):
        plan(thing.body, split(shaped(thing.body, 1), web=1, api=99), NOW)


def test_what_a_server_makes_of_a_value_is_held_and_no_foreign_change() -> None:
    thing = Object(virtual_service(route("a")))
    first = thing.body
    planned = thing.put(fault(named("a")))
    # A webhook that adds a default, as seen in the answer.
    thing.body["spec"]["http"][0]["fault"]["abort"]["grpcStatus"] = "OK"
    thing.patch(as_stored(thing.body, planned.overlay))
    assert not as_stored(thing.body, planned.overlay)
    assert not thing.put(fault(named("a"))).patch
    assert thing.put(fault(named("a"), abort(20))).change == "step"
    thing.undo()
    assert content(thing.body) == content(first)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": {}},
        {"fields": {"": {}}},
        {"fields": {"/name": "x"}},
        {"fields": {"/match": []}},
        {"fields": {"/fault": {}, "/fault/abort": {}}},
        {"fields": {"/route/0": {}}},
        {"fields": {"fault": {}}},
        {"insert": route("mine")},
        {"insert": route("autopilot-x"), "fields": {"/fault": {}}},
    ],
)
def test_a_wish_that_could_not_be_undone_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Wish(holder(), "x", "hazard", named("a"), **wrong)
