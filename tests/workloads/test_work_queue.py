"""The work queue on a virtual clock."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING

import pytest

from autopilot.base.clock import VirtualClock
from autopilot.kube.client import Conflict
from autopilot.sandbox.workloads.queue import Key, WorkQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

A, B = ("deployment", "demo", "a"), ("deployment", "demo", "b")


@contextlib.asynccontextmanager
async def running(
    sync: Callable[[Key], Awaitable[float | None]], clock: VirtualClock
) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(sync, clock)
    task = asyncio.create_task(queue.run())
    await settle()
    try:
        yield queue
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_key_added_many_times_is_worked_on_once() -> None:
    seen: list[Key] = []

    async def sync(key: Key) -> None:
        seen.append(key)

    async with running(sync, VirtualClock()) as queue:
        for _ in range(5):
            queue.add(A)
        queue.add(B)
        await settle()
    assert seen == [A, B]


async def test_a_key_added_while_it_is_worked_on_is_looked_at_again_afterwards() -> None:
    gate, runs, together = asyncio.Event(), 0, 0
    most = 0

    async def sync(_: Key) -> None:
        nonlocal runs, together, most
        runs, together = runs + 1, together + 1
        most = max(most, together)
        await gate.wait()
        together -= 1

    async with running(sync, VirtualClock()) as queue:
        queue.add(A)
        await settle()
        queue.add(A)
        queue.add(A)
        await settle()
        assert runs == 1
        gate.set()
        await settle()
    assert (runs, most) == (2, 1)


async def test_a_failure_is_tried_again_after_a_growing_pause() -> None:
    clock, at = VirtualClock(), []

    async def sync(_: Key) -> None:
        at.append(clock.monotonic())
        if len(at) < 4:
            raise Conflict(409, "Conflict", "changed meanwhile")

    async with running(sync, clock) as queue:
        queue.add(A)
        await settle()
        await clock.advance(10)
        await settle()
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert pauses == pytest.approx([0.02, 0.04, 0.08])


async def test_a_sync_may_ask_to_be_looked_at_later() -> None:
    clock, at = VirtualClock(), []

    async def sync(_: Key) -> float | None:
        at.append(clock.monotonic())
        return 3.0 if len(at) == 1 else None

    async with running(sync, clock) as queue:
        queue.add(A)
        await settle()
        await clock.advance(2.9)
        assert len(at) == 1
        await clock.advance(0.2)
        await settle()
    assert at == [0.0, 3.0]


async def test_the_earlier_of_two_times_wins() -> None:
    clock, at = VirtualClock(), []

    async def sync(_: Key) -> None:
        at.append(clock.monotonic())

    async with running(sync, clock) as queue:
        queue.add_after(A, 5)
        queue.add_after(A, 1)
        queue.add_after(A, 9)
        await settle()
        await clock.advance(20)
        await settle()
    assert at == [1.0]
