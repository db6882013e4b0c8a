"""Overlays by several owners, among foreign edits, undone in any order: nothing is left behind."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_kit import (
    NOW,
    Object,
    abort,
    content,
    holder,
    owners,
    route,
    shaped,
    unmarked,
    virtual_service,
    weights,
)

from autopilot.kube.marks import OVERLAID, OVERLAID_OWNERS, OVERLAY
from autopilot.overlay.apply import plan
from autopilot.overlay.errors import Foreign, Held, NotThere, NotUnique
from autopilot.overlay.foreign import a_fault, a_split
from autopilot.overlay.record import read
from autopilot.overlay.undo import finish, undo
from autopilot.overlay.values import clone
from autopilot.overlay.wish import Wish
from autopilot.sandbox.apiserver.patch import json_patch

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.overlay.locate import Locator


def cases(number: int) -> int:
    """More of them in the slow lane."""
    return number * 8 if os.environ.get("AUTOPILOT_HYPOTHESIS") == "searching" else number


HOLDERS = ("one", "two", "three")
HOSTS = ("web", "api", "standby")
FIELDS = ("fault", "timeout", "retries", "route", "mirror")

hosts = st.sampled_from(HOSTS)
numbers = st.integers(1, 99)
matches = st.sampled_from(
    [None, [{"uri": {"prefix": "/a"}}], [{"headers": {"x": {"exact": "b"}}}], [], None]
)


@st.composite
def destinations(draw: st.DrawFn) -> list[Body]:
    first, second = draw(st.permutations(HOSTS))[:2]
    share = draw(numbers)
    if draw(st.booleans()):
        return [{"destination": {"host": first}}]
    return weights(**{first: share, second: 100 - share})


@st.composite
def values(draw: st.DrawFn, name: str) -> Any:
    if name == "fault":
        return abort(draw(numbers))
    if name == "timeout":
        return draw(st.sampled_from([None, f"{draw(numbers)}s"]))
    if name == "retries":
        return {"attempts": draw(numbers)}
    if name == "mirror":
        return {"host": draw(hosts)}
    return draw(destinations())


@st.composite
def routes(draw: st.DrawFn, name: str = "") -> Body:
    body: Body = {"name": name} if name else {}
    match = draw(matches)
    if match is not None:
        body["match"] = match
    body["route"] = draw(destinations())
    for each in draw(st.sets(st.sampled_from(FIELDS), max_size=2)) - {"route"}:
        body[each] = draw(values(each))
    if draw(st.booleans()):
        body["rewrite"] = {"uri": "/x"}
    return body


@st.composite
def objects(draw: st.DrawFn) -> Body:
    names = draw(st.permutations(["a", "b", "c"]))
    listed = [draw(routes(name if draw(st.booleans()) else "")) for name in names]
    metadata: Body = {}
    if draw(st.booleans()):
        metadata["annotations"] = {"note": "mine"}
    if draw(st.booleans()):
        metadata["labels"] = {"app": "web"}
    return virtual_service(*listed, **metadata)


@dataclass(frozen=True)
class Step:
    """One overlay wished: of which route (or inserted), by whom, of which field."""

    who: str
    index: int
    name: str
    value: Any
    take_over: bool = True

    def wish(self, body: Body) -> Wish | None:
        locator = shaped(body, self.index % len(body["spec"]["http"]))
        if self.name == "insert":
            insert = route(f"autopilot-{self.who}", **{"timeout": "1s"})
            return Wish(holder(self.who), "insert", "protection", locator, insert=insert)
        if locator.name.startswith("autopilot-"):
            return None
        return Wish(
            holder(self.who),
            self.name,
            "hazard",
            locator,
            {f"/{self.name}": self.value},
            take_over=self.take_over,
            foreign={"/fault": a_fault, "/route": a_split},
        )


@st.composite
def steps(draw: st.DrawFn) -> Step:
    name = draw(st.sampled_from([*FIELDS, "insert"]))
    value = None if name == "insert" else draw(values(name))
    return Step(
        draw(st.sampled_from(HOLDERS)), draw(st.integers(0, 5)), name, value, draw(st.booleans())
    )


@dataclass
class Edit:
    """One foreign change that leaves every route its identity and overlaid fields alone."""

    kind: str
    index: int
    value: int

    def __call__(self, body: Body) -> None:
        listed = body["spec"]["http"]
        theirs = [each for each in listed if not str(each.get("name")).startswith("autopilot-")]
        if self.kind == "reverse":
            listed.reverse()
        elif self.kind == "rewrite" and theirs:
            theirs[self.index % len(theirs)]["rewrite"] = {"uri": f"/{self.value}"}
        elif self.kind == "add":
            listed.insert(self.index % (len(listed) + 1), route(f"new-{self.value}"))
        elif self.kind == "hosts":
            body["spec"]["hosts"].append(f"h{self.value}")
        elif self.kind == "note":
            notes = body["metadata"].setdefault("annotations", {})
            notes[f"n{self.value}"] = "theirs"


edits = st.builds(
    Edit,
    st.sampled_from(["reverse", "rewrite", "add", "hosts", "note"]),
    st.integers(0, 5),
    numbers,
)


def attempt(thing: Object, step: Step) -> bool:
    """Overlay if that is allowed; checks what every write must keep to."""
    wish = step.wish(thing.body)
    if wish is None:
        return False
    before = clone(thing.body)
    try:
        planned = plan(thing.body, wish, NOW)
    except (Foreign, Held, NotThere, NotUnique):
        assert thing.body == before
        return False
    assert thing.body == before
    check_minimal(before, planned.patch, wish)
    if planned.patch:
        thing.patch(planned.patch)
    assert plan(thing.body, wish, NOW).patch == ()
    return True


def check_minimal(body: Body, patch: tuple[Body, ...], wish: Wish) -> None:
    """A patch touches the field (or the one route) that is wished, and marks; nothing else."""
    if not patch:
        return
    after = json_patch(body, [*patch])
    assert patch[0]["op"] == patch[1]["op"] == "test"
    old, new = without_marks(body), without_marks(after)
    if wish.insert is not None:
        new["spec"]["http"] = [r for r in new["spec"]["http"] if r.get("name") != insert_name(wish)]
        old["spec"]["http"] = [r for r in old["spec"]["http"] if r.get("name") != insert_name(wish)]
        assert new == old
        return
    names = {name.removeprefix("/") for name in wish.fields}
    changed = [
        (left, right)
        for left, right in zip(old["spec"]["http"], new["spec"]["http"], strict=True)
        if left != right
    ]
    assert len(changed) <= 1
    for left, right in changed:
        assert {k: v for k, v in left.items() if k not in names} == {
            k: v for k, v in right.items() if k not in names
        }
    assert {**old["spec"], "http": 0} == {**new["spec"], "http": 0}


def insert_name(wish: Wish) -> str:
    assert wish.insert is not None
    return str(wish.insert["name"])


def without_marks(body: Body) -> Body:
    found = clone(content(body))
    found["labels"].pop(OVERLAID, None)
    for key in [*found["annotations"]]:
        if key.startswith(OVERLAY) or key == OVERLAID_OWNERS:
            del found["annotations"][key]
    return found


@settings(max_examples=cases(200), deadline=None)
@given(objects(), st.lists(steps(), max_size=8), st.permutations(HOLDERS))
def test_undo_in_any_order_restores_all_even_the_owners(
    body: Body, wished: list[Step], order: list[str]
) -> None:
    thing = Object(body)
    first = clone(thing.body)
    for step in wished:
        attempt(thing, step)
    for who in order:
        outcomes = thing.undo(who)
        assert {each.how for each in outcomes} <= {"restored"}
        assert not [each for each in read(thing.body).overlays if each.holder.name == who]
    assert content(thing.body) == content(first)
    assert unmarked(thing.body)
    assert thing.body["metadata"]["managedFields"] == first["metadata"]["managedFields"]
    thing.apply(body)
    assert thing.body["metadata"]["managedFields"] == first["metadata"]["managedFields"]


@settings(max_examples=cases(200), deadline=None)
@given(
    objects(),
    st.lists(st.one_of(steps(), edits), max_size=12),
    st.permutations(HOLDERS),
    st.lists(edits, min_size=3, max_size=3),
)
def test_undo_restores_all_but_the_edits_of_others(
    body: Body, happened: list[Step | Edit], order: list[str], late: list[Edit]
) -> None:
    thing, shadow = Object(body), Object(body)
    for each in happened:
        if isinstance(each, Step):
            attempt(thing, each)
        else:
            mirror_edit(thing, shadow, each)
    for who, edit in zip(order, late, strict=True):
        thing.undo(who)
        mirror_edit(thing, shadow, edit)
    assert content(thing.body) == content(shadow.body)
    assert unmarked(thing.body)


def mirror_edit(thing: Object, shadow: Object, edit: Edit) -> None:
    """Make one foreign edit on the overlaid object, and the same on one that never was."""
    before = [identity(thing.body, n) for n in range(len(thing.body["spec"]["http"]))]
    thing.edit(edit)
    if edit.kind in {"hosts", "note", "reverse"}:
        shadow.edit(edit)
        return
    now = list(thing.body["spec"]["http"])
    theirs = [n for n, each in enumerate(now) if not is_inserted(each)]

    def same_edit(body: Body) -> None:
        listed = body["spec"]["http"]
        if edit.kind == "add" and len(now) > len(before):
            at = next(n for n, i in enumerate(theirs) if i == edit.index % (len(before) + 1))
            listed.insert(at, route(f"new-{edit.value}"))
        elif edit.kind == "rewrite":
            count = len(theirs)
            if count:
                listed[edit.index % count]["rewrite"] = {"uri": f"/{edit.value}"}

    shadow.edit(same_edit)


def identity(body: Body, index: int) -> Locator:
    return shaped(body, index)


def is_inserted(each: Body) -> bool:
    return str(each.get("name")).startswith("autopilot-")


def wild(body: Body, index: int, name: str, value: Any) -> None:
    """A foreign edit that respects nothing."""
    listed = body["spec"]["http"]
    if not listed:
        return
    each = listed[index % len(listed)]
    if name == "remove":
        listed.remove(each)
    elif name == "copy":
        listed.append(clone(each))
    elif name == "name":
        each["name"] = f"renamed-{value}"
    elif name == "match":
        each["match"] = [{"uri": {"exact": f"/{value}"}}]
    else:
        each[name] = value


@st.composite
def wild_edits(draw: st.DrawFn) -> tuple[int, str, Any]:
    name = draw(st.sampled_from([*FIELDS, "remove", "copy", "name", "match"]))
    value = draw(values(name)) if name in FIELDS else draw(numbers)
    # Values of one's own: others don't happen to wish just what an overlay holds.
    if name == "fault":
        value = {
            "abort": {"httpStatus": 599, "percentage": {"value": value["abort"]["httpStatus"]}}
        }
    return draw(st.integers(0, 5)), name, value


@settings(max_examples=cases(200), deadline=None)
@given(
    objects(),
    st.lists(st.one_of(steps(), wild_edits()), max_size=12),
    st.permutations(HOLDERS),
)
def test_after_any_foreign_edits_an_undo_changes_only_fields_that_hold_an_overlays_value(
    body: Body, happened: list[Step | tuple[int, str, Any]], order: list[str]
) -> None:
    thing = Object(body)
    for each in happened:
        if isinstance(each, Step):
            if thing.body["spec"]["http"]:
                attempt(thing, each)
        else:
            index, name, value = each
            thing.edit(lambda b, i=index, n=name, v=value: wild(b, i, n, v))
    for who in order:
        marks = {each.id: each for each in read(thing.body).overlays}
        before = clone(thing.body)
        outcomes = thing.undo(who)
        kept = {each.overlay.id for each in outcomes if each.how == "unclear"}
        gone = {key for key, each in marks.items() if each.holder.name == who} - kept
        assert {each.id for each in read(thing.body).overlays} == set(marks) - gone
        check_only_undone(before, thing.body, [marks[key] for key in gone])
        again = clone(thing.body)
        thing.undo(who)
        # What is undone may be what made another overlay of the same holder hard to find.
        assert kept or thing.body == again


def check_only_undone(before: Body, after: Body, ended: list[Any]) -> None:
    names = {e.locator.name for e in ended if e.inserted}
    old = [r for r in before["spec"]["http"] if r.get("name") not in names]
    new = after["spec"]["http"]
    assert len(old) == len(new)
    for left, right in zip(old, new, strict=True):
        for key in {*left, *right}:
            if left.get(key) == right.get(key) and (key in left) == (key in right):
                continue
            holds = [e for e in ended if e.fields == (f"/{key}",)]
            assert any(left.get(key) == e.after.get(f"/{key}") for e in holds)
            assert any(right.get(key) == e.before.get(f"/{key}") for e in holds)


@dataclass
class Killed:
    """Writes through until a budget is spent; then nothing more is written, as after a kill."""

    thing: Object
    budget: int
    spent: int = field(default=0)

    def write(self, patch: tuple[Body, ...]) -> None:
        if not patch:
            return
        if self.spent >= self.budget:
            raise InterruptedError
        self.spent += 1
        self.thing.patch(patch)


def run(thing: Object, wished: list[Step], budget: int) -> int:
    """All overlays, then all undone; started again from the top after a kill."""
    process = Killed(thing, budget)
    for step in wished:
        wish = step.wish(thing.body)
        if wish is None:
            continue
        try:
            patch = plan(thing.body, wish, NOW).patch
        except (Foreign, Held, NotThere, NotUnique):
            continue
        process.write(patch)
    for who in HOLDERS:
        process.write(undo(thing.body, lambda o, w=who: o.holder.name == w).patch)
        process.write(finish(thing.body))
    return process.spent


@settings(max_examples=cases(100), deadline=None)
@given(objects(), st.lists(steps(), max_size=6))
def test_killed_between_any_two_writes_the_next_run_ends_the_same(
    body: Body, wished: list[Step]
) -> None:
    whole = Object(body)
    first = clone(whole.body)
    writes = run(whole, wished, budget=1000)
    for budget in range(writes):
        thing = Object(body)
        with pytest.raises(InterruptedError):
            run(thing, wished, budget)
        marks = read(thing.body)
        if without_marks(thing.body) != without_marks(first):
            assert marks.overlays
            assert marks.labelled
        if owners(thing.body) != owners(first):
            assert marks.labelled
        run(thing, wished, budget=1000)
        assert content(thing.body) == content(whole.body) == content(first)
        managed = first["metadata"]["managedFields"]
        assert thing.body["metadata"]["managedFields"] == managed
