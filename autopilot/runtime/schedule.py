"""Who is to run next: the work queue's bookkeeping, without tasks, locks or a clock of its own.

A key stands for one resource. It waits at most once, runs at most once at a time, and what
happens to it while it runs is remembered for another run. Two kinds of call merge: a *wake* says
"look again", *due* says "the timer fired or the phase is new"; due survives any merge, because a
lost tick would stop a ramp and an invented one would hurry it.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a failing key waits: exponential per key, with jitter.

    Attributes:
        first: Seconds after the first failure.
        factor: Growth per further failure.
        limit: The longest wait, in seconds.
        jitter: The part of a wait that is random, 0 to 1: keys that failed together don't
            come back together.
    """

    first: float = 0.2
    factor: float = 2.0
    limit: float = 60.0
    jitter: float = 0.3

    def wait(self, failures: int, rng: random.Random) -> float:
        """Seconds to wait after this many failures in a row (at least one)."""
        exponent = min(max(0, failures - 1), 64)
        full = min(self.limit, self.first * self.factor**exponent)
        return full * (1 - self.jitter * rng.random())


@dataclass(frozen=True, slots=True)
class Turn(Generic[K]):
    """One run to do.

    Attributes:
        key: Whose.
        due: Whether the timer fired or the phase is new.
        attempt: How many runs of this key have failed since the last good one.
    """

    key: K
    due: bool
    attempt: int


@dataclass(slots=True)
class _State:
    due: bool = False
    again: bool = False
    running: bool = False
    blocked: bool = False
    failures: int = 0
    timer: float | None = None
    retry: float | None = None


@dataclass(slots=True)
class Schedule(Generic[K]):
    """The bookkeeping. All times are seconds of one monotonic clock, given by the caller."""

    backoff: Backoff = field(default_factory=Backoff)
    rng: random.Random = field(default_factory=random.Random)
    _states: dict[K, _State] = field(default_factory=dict)
    _ready: OrderedDict[K, None] = field(default_factory=OrderedDict)
    _heap: list[tuple[float, int, K]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def wake(self, key: K, *, due: bool = False, fresh: bool = False) -> None:
        """Ask for a run.

        Args:
            key: Whose.
            due: The timer fired or the phase is new.
            fresh: Something changed that may cure a failure (a new spec): ends the back-off.
        """
        state = self._states.setdefault(key, _State())
        state.due = state.due or due
        if fresh:
            state.retry = None
            state.failures = 0
        self._ask(key, state)

    def renew(self, key: K) -> None:
        """The phase is new and has a timer of its own: what the old one's timer owes is void."""
        state = self._states.get(key)
        if state is not None:
            state.due = False

    def tick_at(self, key: K, when: float | None) -> None:
        """Set the key's one timer, replacing the earlier one; None for no timer."""
        state = self._states.setdefault(key, _State())
        if when is not None and when != state.timer:
            heapq.heappush(self._heap, (when, next(self._order), key))
        state.timer = when

    def timer(self, key: K) -> float | None:
        """When the key's timer fires, or None."""
        state = self._states.get(key)
        return state.timer if state else None

    def take(self, now: float) -> Turn[K] | None:
        """The next run to start, marked as running; None when nobody may run."""
        self._fire(now)
        if not self._ready:
            return None
        key, _ = self._ready.popitem(last=False)
        state = self._states[key]
        turn = Turn(key, state.due, state.failures)
        state.running, state.due, state.again = True, False, False
        return turn

    def done(self, key: K) -> None:
        """The key's run ended well."""
        state = self._ended(key)
        state.failures = 0
        self._settle(key, state)

    def failed(
        self,
        key: K,
        now: float,
        *,
        due: bool,
        after: float | None = None,
        at_most: float | None = None,
    ) -> float:
        """The key's run failed: another one follows after a wait.

        Args:
            key: Whose.
            now: The time.
            due: Whether the tick of the failed run is still owed.
            after: Seconds to wait; None for the back-off.
            at_most: The longest wait, whatever is asked for.

        Returns:
            The wait in seconds.
        """
        state = self._ended(key)
        state.failures += 1
        wait = self.backoff.wait(state.failures, self.rng) if after is None else after
        wait = wait if at_most is None else min(wait, at_most)
        state.due = state.due or due
        state.retry = now + wait
        heapq.heappush(self._heap, (state.retry, next(self._order), key))
        return wait

    def block(self, key: K) -> None:
        """Let nobody run the key, whatever happens, until `unblock`."""
        state = self._states.setdefault(key, _State())
        state.blocked = True
        if self._ready.pop(key, self) is not self:
            state.again = True

    def unblock(self, key: K) -> None:
        """Let the key run again; what was asked for meanwhile is done now."""
        state = self._states.get(key)
        if state is not None and state.blocked:
            state.blocked = False
            self._settle(key, state)

    def forget(self, key: K) -> None:
        """The resource is gone. A run that goes on ends as usual and leaves nothing behind."""
        self._ready.pop(key, None)
        state = self._states.get(key)
        if state is not None and (state.running or state.blocked):
            self._states[key] = _State(running=state.running, blocked=state.blocked)
        else:
            self._states.pop(key, None)

    def next_time(self) -> float | None:
        """When the earliest timer or retry is up; None when there is none."""
        while self._heap and not self._live(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @property
    def depth(self) -> int:
        """How many keys wait for a run, those in a back-off left out."""
        return len(self._ready)

    @property
    def running(self) -> int:
        """How many keys run."""
        return sum(state.running for state in self._states.values())

    @property
    def blocked(self) -> int:
        """How many keys are blocked."""
        return sum(state.blocked for state in self._states.values())

    def waiting(self, key: K) -> bool:
        """Whether the key is in a back-off."""
        state = self._states.get(key)
        return state is not None and state.retry is not None

    def _ask(self, key: K, state: _State) -> None:
        if state.running or state.blocked or state.retry is not None:
            state.again = True
        else:
            self._ready.setdefault(key, None)

    def _ended(self, key: K) -> _State:
        state = self._states.get(key)
        if state is None or not state.running:
            raise RuntimeError(f"{key} wasn't running")
        state.running = False
        return state

    def _settle(self, key: K, state: _State) -> None:
        if state.running or state.blocked or state.retry is not None:
            return
        if state.again or state.due:
            state.again = False
            self._ready.setdefault(key, None)
        elif state.timer is None and not state.failures:
            del self._states[key]

    def _fire(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            state = self._states.get(key)
            if state is None:
                continue
            if state.timer == when:
                state.timer = None
                state.due = True
                self._ask(key, state)
            if state.retry == when:
                state.retry = None
                state.again = True
                self._settle(key, state)

    def _live(self, when: float, _: int, key: K) -> bool:
        state = self._states.get(key)
        return state is not None and when in (state.timer, state.retry)
