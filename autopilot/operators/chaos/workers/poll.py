"""Polls: all conditions of an experiment read at once, when it is time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.operators.chaos.conditions import Condition, Look, Watch, look_at
from autopilot.operators.chaos.report_model import Point
from autopilot.operators.chaos.workers.look import BLIND, WRITTEN_EVERY, Kept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from autopilot.operators.chaos.workers import look as looks

BASELINE, RUN = "baseline", "run"

_SLACK = timedelta(milliseconds=20)


class Polls:
    """The polls of one stage of a run.

    Args:
        look: The look at the experiment.
        stage: Before the injection, or after.
        since: When the stage began.
    """

    def __init__(self, look: looks.Look, stage: str, since: datetime) -> None:
        self._look = look
        self.since = since
        program = look.program
        self.conditions = program.conditions
        self.interval = program.spec.poll_interval
        self.most = program.spec.max_errors
        self.kept = self._recall(stage)
        self.polled = False

    @property
    def watch(self) -> Watch:
        """What is remembered."""
        return self.kept.watch

    @property
    def elapsed(self) -> timedelta:
        """How long the stage has lasted; a clock that is set back doesn't make it longer."""
        wall = self._look.now - self.since
        mono = self._look.crew.clock.monotonic() - self.kept.monotonic + self.kept.before
        return max(wall, timedelta(seconds=mono))

    def _recall(self, stage: str) -> Kept:
        look, status = self._look, self._look.status
        kept = look.crew.kept.get(look.res.uid)
        if kept is not None and (kept.run, kept.stage) == (status.run, stage):
            return kept
        before = max(0.0, (look.now - self.since).total_seconds())
        now = look.crew.clock.monotonic()
        kept = Kept(status.run, stage, monotonic=now, before=before, asked=now)
        wire = status.watch or {}
        if wire.get("stage") == stage:
            kept.watch = Watch.from_wire(wire)
            kept.last = look.time("last_poll")
            kept.unwatched = status.unwatched or ""
        look.crew.keep(look.res.uid, kept)
        return kept

    async def poll(self) -> None:
        """Look at all conditions, if it is time to."""
        now, last = self._look.now, self.kept.last
        due = last is None or now < last or now - last >= self.interval - _SLACK
        self._notice_gap(last or self.since)
        if not due:
            return
        found = await asyncio.gather(*(self._ask(one) for one in self.conditions))
        shown = dict(zip((one.name for one in self.conditions), found, strict=True))
        self.kept.watch = self.kept.watch.after(self.conditions, shown)
        self.kept.last = now
        self.polled = True
        self._record(shown)

    def _notice_gap(self, last: datetime) -> None:
        gap = self._look.now - last
        # Of a short run, half is too much: nobody could tell what went on in it.
        blind = min(BLIND, self._look.program.spec.duration / 2)
        if gap > max(blind, 3 * self.interval) and not self.kept.unwatched:
            shown = durations.render(timedelta(seconds=round(gap.total_seconds())))
            self.kept.unwatched = f"nobody looked for {shown}"

    async def _ask(self, condition: Condition) -> Look:
        look = self._look
        if condition.query is not None:
            return look_at(condition, await look.inputs.metrics.read(condition.query))
        body = {
            "experiment": look.res.name,
            "namespace": look.res.namespace,
            "run": look.status.run,
            "condition": condition.name,
        }
        return look_at(condition, await look.crew.webhooks.call(condition.url, body))

    def _record(self, shown: Mapping[str, Look]) -> None:
        look = self._look
        for name, one in shown.items():
            # Told by the poll's own time: a scrape that is seen twice is two polls.
            point = Point(look.now, one.value, one.why, one.verdict)
            look.crew.recorder.sample(look.res.uid, name, point)

    def status(self, *, always: bool = False) -> dict[str, Any]:
        """What of it is to be written; empty where it can wait.

        Args:
            always: Whether it is written along with something else.
        """
        look, kept = self._look, self.kept
        now = look.crew.clock.monotonic()
        stored = Watch.from_wire(look.status.watch)
        same = stored.errors == kept.watch.errors and {
            name: (one.streak, one.blank, one.known) for name, one in stored.tallies.items()
        } == {name: (one.streak, one.blank, one.known) for name, one in kept.watch.tallies.items()}
        if not always and (not self.polled or (same and now - kept.written < WRITTEN_EVERY)):
            return {}
        kept.written = now
        return {
            "watch": {"stage": kept.stage, **kept.watch.to_wire()},
            "last_poll": None if kept.last is None else look.at(kept.last),
            "unwatched": kept.unwatched or None,
        }

    def wait(self, until: datetime | None = None) -> timedelta:
        """Until the next poll, or a moment that comes before it."""
        look, last = self._look, self.kept.last
        following = (last or look.now) + self.interval - look.now
        if until is not None:
            following = min(following, until - look.now)
        return max(following, timedelta(milliseconds=100))
