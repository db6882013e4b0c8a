"""Programs and telemetry out of bytes: what hypothesis draws fast and shrinks well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from rules_kit import WHERE, out, program, seconds, shift, way, when

from autopilot.mesh.actions import Shed
from autopilot.rules.engine import advance
from autopilot.rules.program import LADDER_DONE, ActionPlan, PhasePlan
from autopilot.rules.simulate import Script, Track
from autopilot.rules.state import State
from autopilot.verdict.phase import Phase
from autopilot.verdict.transition import Moment, Reading, Transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.rules.engine import Advanced
    from autopilot.rules.program import Program

T = TypeVar("T")

NAMES = ("Normal", "Away", "Trial", "Apart")
TEXTS = (
    "",
    "errors > 5%",
    "errors <= 5%",
    "p99 > 800ms",
    "errors > 5% || p99 > 800ms",
    "errors <= 5% && p99 <= 800ms",
    "!(errors > 5%) && primary_ready >= 1",
    "primary_ready >= 1",
    "ladder.done",
    "ladder.done && errors <= 5%",
    "ladder.done || p99 > 800ms",
)
CLIMBS = ("", "errors <= 5%", "p99 > 800ms", "errors <= 5% || p99 > 800ms")
VALUES = {"errors": (0.0, 0.2, None), "p99": (90.0, 900.0, None), "primary_ready": (0.0, 1.0, None)}
CONDITIONS = {text: when(text) for text in (*TEXTS, *CLIMBS) if text}


class Dice:
    """Bytes, one throw each; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._left = iter(data)

    def throw(self, sides: Sequence[T]) -> T:
        return sides[next(self._left, 0) % len(sides)]


def random_program(data: bytes) -> Program:
    """Two to four phases with all that a rule can say."""
    dice = Dice(data)
    names = NAMES[: dice.throw((2, 3, 4))]
    everywhere = [_way(dice, names, from_any=True)] if dice.throw((0, 0, 0, 1)) else []
    plans = [_plan(dice, name, names, everywhere) for name in names]
    return program(*plans, interval=seconds(dice.throw((5, 2, 1))))


def _plan(dice: Dice, name: str, names: tuple[str, ...], everywhere: list[Transition]) -> PhasePlan:
    others = tuple(one for one in names if one != name)
    ways = [_way(dice, others) for _ in range(dice.throw((1, 2, 3, 0)))]
    rungs = dice.throw((1, 2, 3, 1))
    shares = dice.throw(((99, 90, 50), (10, 50, 100)))[:rungs]
    acts = tuple(shift(share) for share in shares)
    sheds = tuple(Shed(WHERE, {}, float(share)) for share in shares[:1])
    plans = dice.throw(((), (ActionPlan("failover", "", acts), ActionPlan("shed", "", sheds))))
    climbs = dice.throw(CLIMBS)
    judged = Phase(
        name,
        (*everywhere, *ways),
        initial=name == "Normal",
        final=name == "Apart" and dice.throw((False, True)),
        max_stay=_exit(dice, others),
        when_blind=_exit(dice, others),
        unsampled=frozenset({LADDER_DONE, "primary_ready"}),
    )
    return PhasePlan(
        judged,
        plans,
        climbs=CONDITIONS[climbs] if climbs else None,
        dwell=seconds(dice.throw((3, 5, 2, 8)) if plans and rungs > 1 else 0),
        rungs=rungs if plans else 1,
    )


def _way(dice: Dice, others: tuple[str, ...], *, from_any: bool = False) -> Transition:
    text = dice.throw(TEXTS)
    # `times` counts samples, and a ladder's end is none.
    sampled = text not in {"", LADDER_DONE}
    made = way(
        dice.throw(others),
        hold=dice.throw((None, 3, 5, None, 11)),
        times=dice.throw((None, None, "2/3", "3/3")) if sampled else None,
        after=dice.throw((None, None, "4s", "2s..12s")),
        approve=dice.throw((False, False, False, True)),
        from_any=from_any,
    )
    when_ = CONDITIONS[text] if text else None
    return Transition(
        made.to, when_, made.hold, made.times, made.after, made.approve, made.from_any
    )


def _exit(dice: Dice, others: tuple[str, ...]) -> object:
    after = dice.throw((None, None, 7, 14))
    return out(dice.throw(others), after) if after else None


@dataclass(frozen=True)
class Look:
    """Seconds since the one before, what is read, and who approved."""

    elapsed: float
    values: dict[str, float | None]
    fresh: bool = True
    approved: frozenset[str] = frozenset()


def random_looks(data: bytes) -> list[Look]:
    """A look for every four bytes."""
    looks = []
    for at in range(0, len(data) - 3, 4):
        dice = Dice(data[at : at + 4])
        elapsed = dice.throw((1, 2, 3, 5, 5, 5, 12, 40))
        which = dice.throw(range(27))
        values = {
            name: some[which // 3**place % 3] for place, (name, some) in enumerate(VALUES.items())
        }
        fresh = dice.throw((True, True, True, False))
        opened = dice.throw((None, None, None, *NAMES))
        approved = frozenset({opened}) if opened else frozenset()
        looks.append(Look(elapsed, values, fresh, approved))
    return looks


@dataclass
class Flown:
    """An engine, flown by looks; `resume` as a new process would."""

    program: Program
    state: State = field(init=False)
    now: float = 0.0
    stamp: float = 0.0
    resumed: bool = True

    def __post_init__(self) -> None:
        self.state = State.begin(self.program)

    def look(self, look: Look) -> Advanced:
        self.now += look.elapsed
        if look.fresh:
            self.stamp = self.now
        readings = {name: Reading(value, self.stamp) for name, value in look.values.items()}
        elapsed = None if self.resumed else look.elapsed
        found = advance(self.program, self.state, Moment(readings, elapsed, look.approved, 15.0))
        self.state, self.resumed = found.state, False
        return found


def random_script(data: bytes, until: int = 40) -> Script:
    """Signals that change at whole seconds, and an approval now and then."""
    points: dict[str, list[tuple[float, float | None, str]]] = {name: [] for name in VALUES}
    approvals, now = [], 0
    for at in range(0, len(data) - 2, 3):
        dice = Dice(data[at : at + 3])
        name, value = dice.throw([(name, one) for name, some in VALUES.items() for one in some])
        points[name].append((float(now), value, ""))
        opened = dice.throw((None, None, None, None, *NAMES))
        if opened:
            approvals.append((float(now), opened))
        now += dice.throw((0, 1, 3, 5, 7))
        if now > until:
            break
    tracks = {name: Track.of(some) for name, some in points.items()}
    return Script(float(until), tracks, tuple(approvals))


Happened = tuple[float, str, int]


def ticked(program: Program, script: Script) -> list[Happened]:
    """What happens when somebody looks as the worker does: at each sample and at each timer.

    After a move the first look comes with the next sample.
    """
    interval, seen = program.interval.total_seconds(), []
    changes = {at for track in script.tracks.values() for at in track.times}
    opens = {at for at, _ in script.approvals}
    state, last, now, opened = State.begin(program), None, 0.0, frozenset[str]()
    while now <= script.until:
        for at, phase in script.approvals:
            opened = frozenset({phase}) if (last is None or at > last) and at <= now else opened
        readings = {}
        for name in VALUES:
            track = script.tracks[name]
            since = max((at for at in track.times if at <= now), default=0.0)
            readings[name] = Reading(track.at(now), max(now - now % interval, since))
        elapsed = None if last is None else now - last
        found = advance(program, state, Moment(readings, elapsed, opened))
        moved, last, state = found.entered is not None, now, found.state
        if moved or found.climbed:
            seen.append((now, state.phase, state.rung))
        ahead = [now - now % interval + interval, *changes]
        if moved:
            opened = frozenset()
        else:
            ahead += [*opens, now + (found.next_in or interval)]
        now = min(at for at in ahead if at > now)
    return seen
