"""Reads one test: what is to be flown and checked, or all that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.rules.simulate_tracks import Script, Track
from autopilot.rules.testfile import ExpectSpec, TestSpec, signals_of
from autopilot.rules.testfile_values import row_of, value_of
from autopilot.spec.problems import did_you_mean

if TYPE_CHECKING:
    from autopilot.base.errors import Problem
    from autopilot.rules.program import Program
    from autopilot.spec.positions import Document
    from autopilot.spec.positions import Path as Where

LONGEST = 366 * 86_400.0
"""The longest test, in seconds."""

_Point = tuple[float, float | None, str]


@dataclass(frozen=True, slots=True)
class Expected:
    """An expectation, and where it stands."""

    seconds: float
    spec: ExpectSpec
    line: int


@dataclass(frozen=True, slots=True)
class Case:
    """One test, ready to be flown.

    Attributes:
        file: As the person named it.
        line: Where the test begins.
        name: The test's name.
        program: The rule.
        script: What it is flown through.
        expect: In the order of time.
        never: Phases that must not be entered, each with its line.
    """

    file: str
    line: int
    name: str
    program: Program
    script: Script
    expect: tuple[Expected, ...]
    never: tuple[tuple[str, int], ...]


class CaseReader:
    """Reads one test.

    Args:
        document: The file.
        path: Where the test stands in it.
        test: What stands there.
    """

    def __init__(self, document: Document, path: Where, test: TestSpec) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._path = path
        self._test = test

    def case(self, programs: dict[str, Program]) -> Case | None:
        """The test; None where nobody can tell which rule it is about. See `problems`."""
        test = self._test
        program = self._rule(programs)
        if program is None:
            return None
        tracks, last = self._tracks(program)
        expected = [
            Expected(one.at.total_seconds(), one, self._line("expect", index))
            for index, one in enumerate(test.expect)
        ]
        approvals = tuple((one.at.total_seconds(), one.phase) for one in test.approve)
        self._names(program)
        moments = [last, *(one.seconds for one in expected), *(at for at, _ in approvals)]
        until = max(moments) if test.until is None else test.until.total_seconds()
        for one in expected:
            if one.seconds > until:
                where = ("expect", test.expect.index(one.spec), "at")
                self._wrong(where, "is after the test's end (until)")
        if until > LONGEST:
            self._wrong((), "lasts longer than a year", "shorten it")
        if not test.expect and not test.never:
            self._wrong((), "expects nothing", "write expect or never")
        return Case(
            self._document.file,
            self._document.line(self._path),
            test.name,
            program,
            Script(until, tracks, approvals, test.start or ""),
            tuple(sorted(expected, key=lambda one: one.seconds)),
            tuple((name, self._line("never", index)) for index, name in enumerate(test.never)),
        )

    def _rule(self, programs: dict[str, Program]) -> Program | None:
        name = self._test.rule
        if name is None and len(programs) == 1:
            return next(iter(programs.values()))
        if name is None:
            hint = f"one of {', '.join(programs)}"
            self._wrong(("rule",), "is missing, and the files hold several rules", hint)
        elif name not in programs:
            self._wrong(("rule",), f"there is no rule {name!r}", did_you_mean(name, programs))
        return programs.get(name or "")

    def _names(self, program: Program) -> None:
        """Each phase that the test names."""
        test = self._test
        named: list[tuple[Where, str | None]] = [(("start",), test.start)]
        named += [(("expect", i, "phase"), one.phase) for i, one in enumerate(test.expect)]
        named += [(("approve", i, "phase"), one.phase) for i, one in enumerate(test.approve)]
        named += [(("never", i), name) for i, name in enumerate(test.never)]
        for where, name in named:
            if name is not None and name not in program.phases:
                hint = did_you_mean(name, program.phases)
                self._wrong(where, f"there is no phase {name!r}", hint)
        for index, one in enumerate(test.expect):
            plan = program.phases.get(one.phase or "")
            if plan is not None and one.rung is not None and one.rung > plan.rungs:
                message = f"{plan.name} has {plan.rungs} rung{'s' if plan.rungs > 1 else ''}"
                self._wrong(("expect", index, "rung"), message)

    def _tracks(self, program: Program) -> tuple[dict[str, Track], float]:
        """Each signal over time, and when the last thing happens to one."""
        points: dict[str, list[_Point]] = {}
        test, last = self._test, 0.0
        every = (program.interval if test.interval is None else test.interval).total_seconds()
        if every <= 0:
            self._wrong(("interval",), "is no time", "write it like 5s")
            return {}, 0.0
        for name, said in test.signals.items():
            at = 0.0
            for times, value in self._row(program, name, said):
                points.setdefault(name, []).append((at, value, ""))
                at += times * every
            last = max(last, at - every)
        before = -1.0
        for index, step in enumerate(test.steps):
            at = step.at.total_seconds()
            if at <= before:
                hint = "steps stand in the order of time"
                self._wrong(("steps", index, "at"), "isn't after the step before", hint)
            before, last = at, max(last, at)
            for name, said in signals_of(step).items():
                if self._known(program, name, ("steps", index, name)):
                    self._step(points, program, name, said, index)
        return {name: Track.of(found) for name, found in points.items()}, last

    def _row(self, program: Program, name: str, said: Any) -> list[tuple[int, float | None]]:
        if not self._known(program, name, ("signals", name)):
            return []
        try:
            return row_of(self._written(said, "signals", name), program.signals[name].unit)
        except ValueError as error:
            self._refused(("signals", name), error)
            return []

    def _step(
        self,
        points: dict[str, list[_Point]],
        program: Program,
        name: str,
        said: Any,
        index: int,
    ) -> None:
        at = self._test.steps[index].at.total_seconds()
        where: Where = ("steps", index, name)
        try:
            value = value_of(self._written(said, *where), program.signals[name].unit)
        except ValueError as error:
            self._refused(where, error)
            return
        before = points.setdefault(name, [])
        if before and before[-1][0] > at:
            self._wrong(where, "comes while its row in signals goes on", "let the row end before")
        before.append((at, value, ""))

    def _written(self, said: Any, *where: str | int) -> Any:
        """What a person wrote: YAML reads `0x6` as a number, and here it is six times nothing."""
        return self._document.words.get((*self._path, *where), said)

    def _known(self, program: Program, name: str, where: Where) -> bool:
        if name in program.signals:
            return True
        self._wrong(where, f"there is no signal {name!r}", did_you_mean(name, program.signals))
        return False

    def _refused(self, where: Where, error: ValueError) -> None:
        message, _, hint = str(error).partition("; ")
        self._wrong(where, message, hint)

    def _wrong(self, where: Where, message: str, hint: str = "") -> None:
        self.problems.append(self._document.problem((*self._path, *where), message, hint))

    def _line(self, *where: str | int) -> int:
        return self._document.line((*self._path, *where))
