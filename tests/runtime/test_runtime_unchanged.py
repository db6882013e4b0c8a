"""Plans that needn't be made again."""

from collections.abc import Callable
from typing import Any

import pytest
from runtime_kit import CONFIG_MAPS, config_map

from autopilot.base.clock import VirtualClock
from autopilot.mesh.actions import Timeout, Where
from autopilot.mesh.errors import TargetMissing
from autopilot.mesh.steps import DeleteOwned, Plan
from autopilot.runtime.definition import Concerns
from autopilot.runtime.unchanged import LONGEST, Unchanged


class Told:
    """As much of a cache as tells of changes."""

    def __init__(self) -> None:
        self.available = True
        self.changed: Callable[[Any, Any], None] = lambda old, new: None

    def on_change(self, handler: Callable[[Any, Any], None]) -> None:
        self.changed = handler


class Desk:
    """Counts how often a plan is made."""

    def __init__(self) -> None:
        self.clock, self.cache = VirtualClock(), Told()
        about = Concerns(
            lambda body: [body["spec"]["about"]], lambda kind, body: [body["metadata"]["name"]]
        )
        self.unchanged = Unchanged(about, {CONFIG_MAPS: self.cache}, self.clock)  # type: ignore[dict-item]
        self.made = 0
        self.answer = Plan()
        self.body = {"metadata": {"uid": "u", "generation": 1}, "spec": {"about": "web"}}

    def plan(self, *actions: Any, ending: str = "") -> Plan:
        return self.unchanged.plan(self.body, actions, ending, self._make)

    def _make(self) -> Plan:
        self.made += 1
        return self.answer


def timeout(seconds: int = 1) -> Timeout:
    from datetime import timedelta

    return Timeout(Where("web"), timedelta(seconds=seconds))


def test_a_plan_that_changes_nothing_is_made_once() -> None:
    desk = Desk()
    for _ in range(5):
        desk.plan(timeout())
    assert desk.made == 1


@pytest.mark.parametrize(
    "happens",
    [
        lambda desk: desk.cache.changed(None, config_map("web")),
        lambda desk: desk.cache.changed(config_map("web"), None),
        lambda desk: setattr(desk.cache, "available", False),
        lambda desk: desk.body["metadata"].update(generation=2),
        lambda desk: desk.clock.move(LONGEST),
    ],
)
def test_it_is_made_anew_when_anything_has_changed_that_it_was_made_from(happens: Any) -> None:
    desk = Desk()
    desk.plan(timeout())
    happens(desk)
    desk.plan(timeout())
    assert desk.made == 2


def test_what_concerns_others_makes_no_plan_anew() -> None:
    desk = Desk()
    desk.plan(timeout())
    desk.cache.changed(None, config_map("other"))
    desk.plan(timeout())
    assert desk.made == 1


def test_it_is_made_anew_for_another_wish_or_ending() -> None:
    desk = Desk()
    desk.plan(timeout())
    desk.plan(timeout(2))
    desk.plan()
    desk.plan(ending="keep")
    assert desk.made == 4


def test_a_plan_that_changes_or_is_refused_something_is_never_kept() -> None:
    desk = Desk()
    desk.answer = Plan(refused=(TargetMissing("gone"),))
    desk.plan()
    desk.plan()
    desk.answer = Plan((DeleteOwned(CONFIG_MAPS, config_map("a"), "back", "a goes"),))
    desk.plan()
    desk.plan()
    assert desk.made == 4
