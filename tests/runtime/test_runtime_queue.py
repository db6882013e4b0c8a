"""The queue against a naive model: no key lost, never two runs of one at once, no tick lost."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from autopilot.base.clock import VirtualClock
from autopilot.runtime.queue import Ran, WorkQueue
from autopilot.runtime.schedule import Backoff, Schedule, Turn

KEYS = st.sampled_from(["a", "b", "c", "d"])


def schedule() -> Schedule[str]:
    return Schedule(rng=random.Random(7))


@dataclass
class Owed:
    """What the naive model thinks that a key is owed."""

    run: bool = False
    due: bool = False
    timer: float | None = None
    running: bool = False
    blocked: bool = False
    retry: float | None = None
    failures: int = 0


@dataclass
class Naive:
    keys: dict[str, Owed] = field(default_factory=dict)

    def of(self, key: str) -> Owed:
        return self.keys.setdefault(key, Owed())

    def fire(self, now: float) -> None:
        for owed in self.keys.values():
            if owed.timer is not None and owed.timer <= now:
                owed.timer, owed.run, owed.due = None, True, True
            if owed.retry is not None and owed.retry <= now:
                owed.retry, owed.run = None, True

    def may_run(self, now: float) -> set[str]:
        self.fire(now)
        return {
            key
            for key, o in self.keys.items()
            if o.run and not o.running and not o.blocked and o.retry is None
        }


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.real, self.model, self.now = schedule(), Naive(), 0.0
        self.open: dict[str, Turn[str]] = {}

    @rule(key=KEYS, due=st.booleans(), fresh=st.booleans())
    def wake(self, key: str, due: bool, fresh: bool) -> None:
        self.real.wake(key, due=due, fresh=fresh)
        owed = self.model.of(key)
        owed.run, owed.due = True, owed.due or due
        if fresh:
            owed.retry, owed.failures = None, 0

    @rule(key=KEYS, wait=st.none() | st.floats(0.1, 9))
    def set_timer(self, key: str, wait: float | None) -> None:
        when = None if wait is None else self.now + wait
        self.real.tick_at(key, when)
        self.model.of(key).timer = when

    @rule(step=st.floats(0.05, 5))
    def time_goes_by(self, step: float) -> None:
        self.now += step

    @rule()
    def start_one(self) -> None:
        allowed = self.model.may_run(self.now)
        turn = self.real.take(self.now)
        if turn is None:
            assert not allowed, f"{allowed} were lost"
            return
        assert turn.key in allowed
        owed = self.model.of(turn.key)
        assert (turn.due, turn.attempt) == (owed.due, owed.failures)
        owed.running, owed.run, owed.due = True, False, False
        self.open[turn.key] = turn

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end_well(self, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.open)))
        del self.open[key]
        self.real.done(key)
        owed = self.model.of(key)
        owed.running, owed.failures = False, 0

    @precondition(lambda self: self.open)
    @rule(data=st.data(), after=st.none() | st.floats(0, 3))
    def fail(self, data: Any, after: float | None) -> None:
        key = data.draw(st.sampled_from(sorted(self.open)))
        turn = self.open.pop(key)
        wait = self.real.failed(key, self.now, due=turn.due, after=after)
        owed = self.model.of(key)
        owed.running, owed.due = False, owed.due or turn.due
        owed.failures += 1
        owed.retry = self.now + wait

    @rule(key=KEYS)
    def block(self, key: str) -> None:
        self.real.block(key)
        self.model.of(key).blocked = True

    @rule(key=KEYS)
    def unblock(self, key: str) -> None:
        self.real.unblock(key)
        self.model.of(key).blocked = False

    @invariant()
    def never_more_runs_than_open(self) -> None:
        assert self.real.running == len(self.open)

    def teardown(self) -> None:
        """In the end all that is owed is done."""
        for key in list(self.open):
            self.end_well_of(key)
        for key in self.model.keys:
            self.unblock(key)
        self.now += 1000
        while self.model.may_run(self.now):
            self.start_one()
            for key in list(self.open):
                self.end_well_of(key)
        assert self.real.take(self.now) is None

    def end_well_of(self, key: str) -> None:
        del self.open[key]
        self.real.done(key)
        owed = self.model.of(key)
        owed.running, owed.failures = False, 0


TestQueueAgainstTheModel = QueueMachine.TestCase
TestQueueAgainstTheModel.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None
)


@given(st.integers(1, 40), st.integers())
def test_a_back_off_grows_to_its_limit_and_never_beyond(failures: int, seed: int) -> None:
    backoff = Backoff(first=0.2, limit=60)
    wait = backoff.wait(failures, random.Random(seed))
    whole = min(60.0, 0.2 * 2 ** (failures - 1))
    assert whole * 0.7 <= wait <= whole


def test_keys_run_in_the_order_in_which_they_were_asked_for() -> None:
    queue = schedule()
    for key in ("b", "a", "c", "a", "b"):
        queue.wake(key)
    assert [queue.take(0).key for _ in range(3)] == ["b", "a", "c"]  # type: ignore[union-attr]


def test_a_key_that_is_forgotten_leaves_nothing_behind() -> None:
    queue = schedule()
    queue.wake("a", due=True)
    queue.tick_at("a", 5.0)
    queue.forget("a")
    assert queue.take(10) is None
    assert queue.next_time() is None
    queue.wake("b", due=True)
    queue.take(0)
    queue.wake("b", due=True)
    queue.forget("b")
    queue.done("b")
    assert queue.take(10) is None


def test_ending_a_run_that_did_not_begin_is_a_fault() -> None:
    with pytest.raises(RuntimeError, match="wasn't running"):
        schedule().done("a")


async def test_no_more_run_at_once_than_there_are_workers_and_no_key_twice() -> None:
    clock, running, most = VirtualClock(), set[str](), 0
    gate, total = asyncio.Event(), 0

    async def run(turn: Turn[str]) -> Ran:
        nonlocal most, total
        assert turn.key not in running
        running.add(turn.key)
        most, total = max(most, len(running)), total + 1
        await gate.wait()
        running.discard(turn.key)
        return Ran()

    queue = WorkQueue(run, clock=clock, workers=3)
    stop = asyncio.Event()
    serving = asyncio.create_task(queue.serve(stop))
    for number in range(10):
        queue.wake(str(number))
    await asyncio.sleep(0.01)
    for number in range(10):
        queue.wake(str(number))
    gate.set()
    await queue.settled()
    assert most == 3
    assert total == 13, "three ran when all were asked for again"
    stop.set()
    await serving


async def test_stopping_waits_for_those_that_run() -> None:
    ended, began = [], asyncio.Event()

    async def run(turn: Turn[str]) -> Ran:
        began.set()
        await asyncio.sleep(0.05)
        ended.append(turn.key)
        return Ran()

    queue = WorkQueue(run, clock=VirtualClock())
    stop = asyncio.Event()
    serving = asyncio.create_task(queue.serve(stop))
    queue.wake("a")
    await began.wait()
    stop.set()
    await serving
    assert ended == ["a"]


async def test_a_run_that_raises_is_tried_again_with_its_tick(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, turns = VirtualClock(), list[Turn[str]]()

    async def run(turn: Turn[str]) -> Ran:
        turns.append(turn)
        if len(turns) == 1:
            raise ValueError("bug")
        return Ran()

    queue = WorkQueue(run, clock=clock)
    stop = asyncio.Event()
    serving = asyncio.create_task(queue.serve(stop))
    queue.wake("a", due=True)
    await queue.settled()
    clock.move(1)
    await queue.settled()
    assert [(t.due, t.attempt) for t in turns] == [(True, 0), (True, 1)]
    assert "sync failed unexpectedly" in caplog.text
    stop.set()
    await serving
