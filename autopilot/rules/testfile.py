"""Unit tests of rules, as a person writes them: signals over time, and what is expected when."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from autopilot.rules.model_types import Name, Texts
from autopilot.spec.model import Model
from autopilot.spec.types import Duration

Said = Annotated[
    bool | int | float | str,
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
"""Values as people write them: `6%`, `812ms`, `2`, `true`, `_` for unknown."""


class StepSpec(Model):
    """From a moment on, signals have other values; those that aren't named stay as they are."""

    model_config = ConfigDict(extra="allow")

    at: Duration
    """When, from the beginning."""


class ApproveSpec(Model):
    """Somebody opens a gate, as `autopilot approve` does."""

    at: Duration
    """When, from the beginning."""
    phase: Name
    """The phase that the way is opened to."""


class ExpectSpec(Model):
    """What is expected at a moment. What isn't named isn't checked."""

    at: Duration
    """When, from the beginning; what happens right then has happened."""
    phase: Name | None = None
    """The phase that the rule is in."""
    rung: Annotated[int, Field(ge=1)] | None = None
    """The rung that its ladders stand on, from 1."""
    actions: Texts | None = None
    """All that it wants of the mesh, in the words of `status.holds`; `[]` for nothing."""
    events: Texts | None = None
    """All Events since the expectation before, in order, each by its reason or a part of its text;
    `[]` for none."""


class TestSpec(Model):
    """One test."""

    name: Annotated[str, Field(min_length=1, max_length=500)]
    """A sentence that is true when the test passes."""
    rule: Annotated[str, Field(max_length=253)] | None = None
    """Which rule, by name; needed where the files hold several."""
    start: Name | None = None
    """The phase that it begins in; the initial one unless told."""
    interval: Duration | None = None
    """Between two values in `signals`; the rule's own interval unless told."""
    signals: Annotated[dict[str, Said], Field(default_factory=dict, max_length=200)]
    """By signal, its values in a row: `0%x60 6%x12 _x6` is sixty times 0 %, then twelve times 6 %,
    then six times unknown. The last one stays. A signal that isn't named is unknown."""
    steps: Annotated[tuple[StepSpec, ...], Field(max_length=10_000)] = ()
    """Signals by time, instead of a row or after it."""
    approve: Annotated[tuple[ApproveSpec, ...], Field(max_length=1000)] = ()
    """Gates that somebody opens."""
    until: Duration | None = None
    """How long the test lasts; until the last thing that it names unless told."""
    expect: Annotated[tuple[ExpectSpec, ...], Field(max_length=10_000)] = ()
    """What is expected."""
    never: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    """Phases that it must not be in at any time."""


class RuleTestFile(Model):
    """A file of tests."""

    rules: Texts
    """Files of rules, relative to this one."""
    tests: Annotated[tuple[TestSpec, ...], Field(min_length=1, max_length=1000)]
    """The tests."""


def signals_of(step: StepSpec) -> dict[str, Any]:
    """The values that a step names."""
    return dict(step.model_extra or {})
