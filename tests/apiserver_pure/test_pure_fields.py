import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pure_values import calm

from autopilot.sandbox.apiserver.fields import (
    LAST_APPLIED,
    ApplyConflict,
    apply,
    record_update,
    structure_for,
)
from autopilot.sandbox.apiserver.fieldset import compare, difference, intersection, paths, union
from autopilot.sandbox.apiserver.managers import APPLY, UPDATE, Writer
from autopilot.sandbox.apiserver.patch import PatchError

DEPLOYMENT = structure_for("apps", "Deployment", None)


def deployment(replicas=1, containers=None, **labels):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n", "labels": labels or {"app": "web"}},
        "spec": {
            "replicas": replicas,
            "template": {"spec": {"containers": containers or [{"name": "c", "image": "1"}]}},
        },
    }


def applied(live, intent, manager="me", force=False, now="T1", structure=DEPLOYMENT, sub=""):
    before = copy.deepcopy((live, intent))
    result = apply(
        live,
        intent,
        Writer(manager, APPLY, "apps/v1", sub),
        force=force,
        now=now,
        structure=structure,
    )
    assert (live, intent) == before, "an input was mutated"
    return result


def updated(before, after, manager="editor", now="T1", structure=DEPLOYMENT, sub=""):
    kept = copy.deepcopy((before, after))
    result = record_update(
        before,
        after,
        Writer(manager, UPDATE, "apps/v1", sub),
        now=now,
        structure=structure,
    )
    assert (before, after) == kept, "an input was mutated"
    return result


def entries(obj):
    return {
        (e["manager"], e["operation"]): sorted(paths(e["fieldsV1"]))
        for e in obj["metadata"].get("managedFields", [])
    }


def with_spec(obj, **spec):
    return {**obj, "spec": {**obj["spec"], **spec}}


def test_an_apply_makes_the_object_and_owns_what_it_names():
    obj = applied(None, deployment())
    assert obj["spec"] == deployment()["spec"]
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "apps/v1",
            "time": "T1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:replicas": {},
                    "f:template": {
                        "f:spec": {
                            "f:containers": {
                                'k:{"name":"c"}': {".": {}, "f:name": {}, "f:image": {}}
                            }
                        }
                    },
                },
            },
        }
    ]


def test_an_apply_that_changes_nothing_answers_the_same_object_with_the_same_time():
    obj = applied(None, deployment())
    assert applied(obj, deployment(), now="T2") is obj


def test_a_second_applier_of_the_same_value_becomes_a_co_owner():
    obj = applied(applied(None, deployment()), deployment(), manager="you", now="T2")
    assert entries(obj)[("me", "Apply")] == entries(obj)[("you", "Apply")]


def test_a_value_that_an_updater_set_conflicts_in_the_real_servers_words():
    obj = applied(None, deployment())
    obj = updated(obj, with_spec(obj, replicas=3), manager="kubectl-edit", now="T2")
    with pytest.raises(ApplyConflict) as caught:
        applied(obj, deployment(replicas=2))
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas'
    )
    assert caught.value.causes == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using apps/v1',
            "field": ".spec.replicas",
        }
    ]


def test_conflicts_with_appliers_and_subresources_are_told_apart():
    obj = applied(None, deployment())
    obj = updated(obj, with_spec(obj, replicas=3), manager="hpa", now="T2", sub="scale")
    with pytest.raises(ApplyConflict) as caught:
        applied(
            obj, deployment(replicas=2, containers=[{"name": "c", "image": "2"}]), manager="you"
        )
    assert caught.value.message == (
        "Apply failed with 2 conflicts: "
        'conflicts with "hpa" with subresource "scale" using apps/v1:\n'
        "- .spec.replicas\n"
        'conflicts with "me":\n'
        '- .spec.template.spec.containers[name="c"].image'
    )
    assert len(caught.value.causes) == 2


def test_force_takes_the_field_over():
    obj = applied(None, deployment())
    obj = updated(obj, with_spec(obj, replicas=3), now="T2")
    obj = applied(obj, deployment(replicas=2), force=True, now="T3")
    assert obj["spec"]["replicas"] == 2
    assert entries(obj).keys() == {("me", "Apply")}


def test_a_field_that_is_applied_no_more_goes_unless_somebody_else_owns_it():
    intent = deployment(containers=[{"name": "c", "image": "1", "tty": True}, {"name": "d"}])
    obj = applied(None, intent)
    obj = applied(obj, deployment(), manager="you", now="T2")
    less = {**deployment(), "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}
    obj = applied(obj, less, now="T3")
    assert obj["spec"] == {
        "replicas": 1,
        "template": {"spec": {"containers": [{"name": "c", "image": "1"}]}},
    }


def test_names_and_the_servers_own_metadata_survive_an_empty_apply():
    obj = applied(None, deployment())
    obj["metadata"] = {**obj["metadata"], "uid": "u", "resourceVersion": "1"}
    named = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    obj = applied(obj, named, now="T2")
    assert obj["metadata"] == {
        "name": "web", "namespace": "n", "uid": "u", "resourceVersion": "1",
    }  # fmt: skip
    assert "spec" not in obj


def test_what_others_added_inside_an_applied_object_stays():
    obj = applied(None, deployment())
    other = with_spec(obj, paused=True)
    other["metadata"] = {**other["metadata"], "labels": {"app": "web", "mine": "1"}}
    obj = updated(obj, other, now="T2")
    obj = applied(obj, deployment(replicas=5), now="T3")
    assert obj["spec"]["paused"] is True
    assert obj["metadata"]["labels"] == {"app": "web", "mine": "1"}


def test_an_object_without_a_record_gets_one_for_what_was_before_the_first_apply():
    obj = applied(deployment(), deployment(replicas=1), now="T1")
    assert ("before-first-apply", "Update") in entries(obj)
    with pytest.raises(ApplyConflict) as caught:
        applied(deployment(), deployment(replicas=2))
    assert '"before-first-apply" using apps/v1' in caught.value.message


def test_kubectl_takes_over_what_it_applied_client_side_before():
    text = json.dumps(deployment(replicas=1))
    before = deployment()
    before["metadata"]["annotations"] = {LAST_APPLIED: text}
    obj = updated(None, before, manager="kubectl-client-side-apply")
    result = applied(obj, deployment(replicas=2), manager="kubectl", now="T2")
    assert result["spec"]["replicas"] == 2
    kept = json.loads(result["metadata"]["annotations"][LAST_APPLIED])
    assert kept["spec"]["replicas"] == 2
    with pytest.raises(ApplyConflict):
        applied(obj, deployment(replicas=2), manager="argocd", now="T2")


def test_an_intent_with_managed_fields_is_refused():
    obj = applied(None, deployment())
    with pytest.raises(PatchError, match=r"metadata\.managedFields must be nil"):
        applied(obj, obj)


def test_an_update_owns_what_it_changed_and_its_time_moves_only_then():
    obj = updated(None, deployment(), manager="creator")
    same = updated(obj, {**obj}, manager="creator", now="T2")
    assert same["metadata"]["managedFields"] == obj["metadata"]["managedFields"]
    obj = updated(obj, with_spec(obj, replicas=2), now="T3")
    times = {e["manager"]: e["time"] for e in obj["metadata"]["managedFields"]}
    assert times == {"creator": "T1", "editor": "T3"}
    assert entries(obj)[("editor", "Update")] == [".spec.replicas"]
    assert ".spec.replicas" not in entries(obj)[("creator", "Update")]


def test_what_an_update_removes_nobody_owns_any_more():
    obj = applied(None, deployment())
    spec = {key: value for key, value in obj["spec"].items() if key != "replicas"}
    obj = updated(obj, {**obj, "spec": spec}, now="T2")
    assert not any(".spec.replicas" in owned for owned in entries(obj).values())


def test_a_new_container_is_owned_with_all_it_holds():
    obj = updated(None, deployment(), manager="creator")
    containers = [{"name": "c", "image": "1"}, {"name": "d", "ports": [{"containerPort": 80}]}]
    obj = updated(obj, with_spec(deployment(), template={"spec": {"containers": containers}}))
    prefix = '.spec.template.spec.containers[name="d"]'
    assert entries(obj)[("editor", "Update")] == [
        prefix,
        f"{prefix}.name",
        f"{prefix}.ports",
        f'{prefix}.ports[containerPort=80,protocol="TCP"]',
        f'{prefix}.ports[containerPort=80,protocol="TCP"].containerPort',
    ]


def test_one_empty_entry_clears_the_record_and_an_empty_list_does_not():
    obj = updated(None, deployment())
    emptied = {**obj, "metadata": {**obj["metadata"], "managedFields": [{}]}}
    assert "managedFields" not in updated(obj, emptied)["metadata"]
    kept = {**obj, "metadata": {**obj["metadata"], "managedFields": []}}
    assert updated(obj, kept)["metadata"]["managedFields"] == obj["metadata"]["managedFields"]
    missing = {**obj, "metadata": deployment()["metadata"]}
    assert updated(obj, missing)["metadata"]["managedFields"] == obj["metadata"]["managedFields"]


def test_a_cleared_record_comes_back_only_by_an_apply():
    obj = updated(deployment(), deployment(replicas=9))
    assert "managedFields" not in obj["metadata"]


def test_many_updaters_end_in_one_bucket():
    obj = updated(None, deployment(), manager="first", now="T00")
    for number in range(1, 15):
        after = with_spec(obj, replicas=obj["spec"]["replicas"], **{f"x{number}": 1})
        obj = updated(obj, after, manager=f"m{number}", now=f"T{number:02}")
    managers = [e["manager"] for e in obj["metadata"]["managedFields"]]
    assert len(managers) == 10
    assert "ancient-changes" in managers
    assert "m14" in managers


def test_service_ports_are_keyed_by_port_and_protocol():
    service = structure_for("", "Service", None)
    tcp = {"spec": {"ports": [{"port": 53, "protocol": "TCP", "name": "a"}]}, "metadata": {}}
    udp = {"spec": {"ports": [{"port": 53, "protocol": "UDP", "name": "b"}]}, "metadata": {}}
    obj = applied(applied(None, tcp, structure=service), udp, manager="you", structure=service)
    assert [port["name"] for port in obj["spec"]["ports"]] == ["a", "b"]


def test_a_port_that_leaves_its_protocol_out_means_tcp():
    service = structure_for("", "Service", None)
    short = {"metadata": {}, "spec": {"ports": [{"port": 80}]}}
    long = {"metadata": {}, "spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "a"}]}}
    obj = applied(long, short, structure=service)
    assert obj["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "name": "a"}]


def test_selectors_and_lists_without_marks_are_one_value():
    intent = deployment(containers=[{"name": "c", "args": ["a", "b"]}])
    intent["spec"]["selector"] = {"matchLabels": {"app": "web"}}
    owned = entries(applied(None, intent))[("me", "Apply")]
    assert ".spec.selector" in owned
    assert '.spec.template.spec.containers[name="c"].args' in owned


CRD = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "plain": {"type": "array", "items": {"type": "object"}},
                "tags": {"type": "array", "x-kubernetes-list-type": "set"},
                "parts": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name", "port"],
                    "items": {"type": "object", "properties": {"port": {"default": 80}}},
                },
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic"},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "map": {"type": "object", "additionalProperties": {"type": "object"}},
            },
        }
    },
}


def test_a_crds_marks_decide_how_its_lists_and_maps_merge():
    spec = {
        "plain": [{"a": 1}],
        "tags": ["x"],
        "parts": [{"name": "p"}],
        "whole": {"a": 1},
        "free": {"deep": {"b": 1}},
        "map": {"k": {"a": 1}},
    }
    obj = applied(
        None, {"metadata": {"name": "w"}, "spec": spec}, structure=structure_for("e", "W", CRD)
    )
    assert entries(obj)[("me", "Apply")] == [
        ".spec.free.deep", ".spec.free.deep.b", ".spec.map.k", ".spec.map.k.a",
        '.spec.parts[name="p",port=80]', '.spec.parts[name="p",port=80].name',
        ".spec.plain", '.spec.tags[="x"]', ".spec.whole",
    ]  # fmt: skip


def test_items_of_a_list_that_can_not_be_told_apart_are_taken_as_one_value():
    structure = structure_for("e", "W", CRD)
    twice = {"metadata": {}, "spec": {"parts": [{"name": "p"}, {"name": "p"}]}}
    obj = updated(None, twice, structure=structure)
    assert ".spec.parts" in entries(obj)[("editor", "Update")]


# The algebra, on random objects of a CRD.

NAMES = st.sampled_from(["a", "b", "c"])
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "plain": st.lists(st.integers(0, 2), max_size=2),
        "tags": st.lists(NAMES, max_size=3, unique=True),
        "parts": st.lists(
            st.fixed_dictionaries({"name": NAMES}, optional={"w": st.integers(0, 2)}),
            max_size=3,
            unique_by=lambda part: part["name"],
        ),
        "whole": st.dictionaries(NAMES, st.integers(0, 2), max_size=2),
        "map": st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers(0, 2)), max_size=2),
        "free": st.dictionaries(NAMES, st.integers(0, 2), max_size=2),
    },
)
CUSTOM = structure_for("e", "W", CRD)


def custom(spec):
    return {"apiVersion": "apps/v1", "kind": "W", "metadata": {"name": "w"}, "spec": spec}


@calm
@given(SPECS, SPECS, SPECS)
def test_applying_twice_changes_nothing_more(first, second, third):
    obj = applied(None, custom(first), structure=CUSTOM)
    obj = updated(obj, {**obj, "spec": second}, structure=CUSTOM, now="T2")
    once = applied(obj, custom(third), force=True, structure=CUSTOM, now="T3")
    assert applied(once, custom(third), structure=CUSTOM, now="T4") is once


@calm
@given(SPECS, SPECS)
def test_a_sole_appliers_object_is_what_it_last_applied(first, second):
    obj = applied(applied(None, custom(first), structure=CUSTOM), custom(second), structure=CUSTOM)
    for name, value in second.items():
        if value:
            assert obj["spec"][name] == value
    left = {name for name, value in obj["spec"].items() if value}
    assert left == {name for name, value in second.items() if value}


@calm
@given(SPECS, SPECS)
def test_every_field_of_an_updated_object_has_one_updater(first, second):
    obj = updated(None, custom(first), manager="a", structure=CUSTOM)
    obj = updated(obj, {**obj, "spec": second}, manager="b", structure=CUSTOM, now="T2")
    owned = entries(obj)
    a, b = set(owned.get(("a", "Update"), [])), set(owned.get(("b", "Update"), []))
    assert not a & b
    everything = compare({}, custom(second), CUSTOM).set_
    assert {p for p in paths(everything) if p.startswith(".spec.")} <= a | b


def sets():
    return st.builds(lambda spec: compare({}, custom(spec), CUSTOM).set_, SPECS)


def members(fields):
    return set(paths(fields))


@calm
@given(sets(), sets())
def test_field_sets_obey_the_algebra_of_sets(left, right):
    assert members(union(left, right)) == members(left) | members(right)
    assert members(intersection(left, right)) == members(left) & members(right)
    assert members(difference(left, right)) == members(left) - members(right)


@calm
@given(SPECS, SPECS)
def test_the_comparison_the_other_way_round_swaps_what_came_and_went(first, second):
    there = compare(custom(first), custom(second), CUSTOM)
    back = compare(custom(second), custom(first), CUSTOM)
    assert members(there.removed) <= members(back.set_)
    assert members(back.removed) <= members(there.set_)
    assert compare(custom(first), copy.deepcopy(custom(first)), CUSTOM).set_ == {}


def test_an_item_that_its_applier_drops_is_lost_to_who_changed_a_part_of_it():
    intent = deployment(containers=[{"name": "c", "image": "1"}, {"name": "d", "image": "1"}])
    obj = applied(None, intent)
    containers = [{"name": "c", "image": "1"}, {"name": "d", "image": "2"}]
    obj = updated(obj, with_spec(obj, template={"spec": {"containers": containers}}), now="T2")
    assert ("editor", "Update") in entries(obj)
    obj = applied(obj, deployment(), now="T3")
    assert [c["name"] for c in obj["spec"]["template"]["spec"]["containers"]] == ["c"]
    assert ("editor", "Update") not in entries(obj)


def test_an_applier_has_one_entry_whatever_version_it_speaks_and_an_updater_one_each():
    def by(operation, version):
        return Writer("me", operation, version)

    more = {"now": "T", "structure": CUSTOM}
    obj = apply(None, custom({"free": {"a": 1}}), by(APPLY, "e/v1"), force=False, **more)
    obj = apply(obj, custom({"free": {"b": 1}}), by(APPLY, "e/v2"), force=False, **more)
    assert [e["apiVersion"] for e in obj["metadata"]["managedFields"]] == ["e/v2"]
    assert obj["spec"] == {"free": {"b": 1}}
    for version in ("e/v1", "e/v2"):
        added = {**obj["spec"], "map": {version: {"a": 1}, **obj["spec"].get("map", {})}}
        obj = record_update(obj, {**obj, "spec": added}, by(UPDATE, version), **more)
    assert sorted(e["apiVersion"] for e in obj["metadata"]["managedFields"]) == [
        "e/v1", "e/v2", "e/v2",
    ]  # fmt: skip


def test_a_merged_list_keeps_the_live_order_of_what_is_not_applied():
    live = {"metadata": {}, "spec": {"parts": [{"name": n} for n in ("x", "a", "y")]}}
    intent = {"metadata": {}, "spec": {"parts": [{"name": n} for n in ("a", "b")]}}
    obj = applied(live, intent, structure=CUSTOM)
    assert [part["name"] for part in obj["spec"]["parts"]] == ["x", "a", "y", "b"]
