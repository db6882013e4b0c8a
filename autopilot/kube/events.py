"""Events on objects, as `kubectl describe` shows them; never in the caller's way.

Nothing else in a cluster throttles Events, so this does: equal ones are counted on one object, and
each object has a budget. The numbers are client-go's (tools/record: burst 25, one per 5 minutes).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from autopilot.base.clock import Clock, SystemClock
from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.base.timestamps import stamp
from autopilot.kube.client import AlreadyExists, ApiError, Body, KubeClient, NotFound
from autopilot.kube.event_text import camel_case, cut
from autopilot.kube.kinds import KNOWN
from autopilot.kube.retry import Backoff

if TYPE_CHECKING:
    from datetime import datetime

_log = logging.getLogger(__name__)

EventType = Literal["Normal", "Warning"]

_EVENTS = KNOWN["events"]
_REMEMBERED = 4096
_TELL_EVERY = 60.0

_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventSettings:
    """How much is sent.

    Attributes:
        burst: Events that one object may get at once.
        refill: Seconds until it may get one more.
        queue: Events that may wait; what comes on top is dropped.
        attempts: How often sending one is tried.
        backoff: The waits between the attempts.
    """

    burst: int = 25
    refill: float = 300.0
    queue: int = 1000
    attempts: int = 4
    backoff: Backoff = field(default_factory=lambda: Backoff(initial=0.5, maximum=5.0))


@dataclass(slots=True)
class _Series:
    """An Event that was sent: where it is, and how often it has happened."""

    name: str
    namespace: str
    count: int


@dataclass(slots=True)
class _Waiting:
    body: Body
    count: int
    last: datetime
    suffix: str


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class EventRecorder:
    """Records Events; use it from one event loop.

    Args:
        client: The API.
        component: Who reports, like `autopilot.canary`.
        instance: Which process of it, like the pod's name.
        clock: For time stamps and budgets.
        settings: See `EventSettings`.
    """

    def __init__(
        self,
        client: KubeClient,
        component: str,
        instance: str = "",
        *,
        clock: Clock | None = None,
        settings: EventSettings | None = None,
    ) -> None:
        self._client = client
        self._component = component
        self._instance = instance or component
        self._clock: Clock = clock or SystemClock()
        self._settings = settings or EventSettings()
        self._rng = random.Random()
        self._numbers = itertools.count()
        self._waiting: OrderedDict[_Key, _Waiting] = OrderedDict()
        self._sent: OrderedDict[_Key, _Series] = OrderedDict()
        self._held_back: OrderedDict[_Key, int] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._wake = asyncio.Event()
        self._sending = asyncio.Lock()
        self._untold = 0
        self._told_at: float | None = None
        self.dropped = 0
        """Events that were neither sent nor counted into another one."""

    def record(self, about: Body, event_type: EventType, reason: str, message: str) -> None:
        """Queue an Event; returns at once and never raises.

        Args:
            about: The object that it is about: apiVersion, kind and metadata are read.
            event_type: `Normal` or `Warning`; anything else becomes `Warning`.
            reason: CamelCase, at most 128 characters; put into that form if it isn't.
            message: For a person; cut at 1,024 bytes.
        """
        try:
            self._record(about, event_type, reason, message)
        except Exception:
            self.dropped += 1
            _log.exception("an Event could not be recorded", extra=fields(reason=reason))

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is recorded until `stop` is set; what waits then is left to `flush`."""
        stopped = asyncio.create_task(stop.wait())
        sender = asyncio.create_task(self._send_for_ever())
        try:
            await asyncio.wait({stopped, sender}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(stopped, sender)

    async def flush(self) -> None:
        """Send all that waits; what can't be sent is dropped."""
        while self._waiting:
            await self._send_next()

    def _record(self, about: Body, event_type: EventType, reason: str, message: str) -> None:
        meta = about["metadata"]
        body: Body = {
            "type": event_type if event_type in {"Normal", "Warning"} else "Warning",
            "reason": camel_case(reason),
            "message": cut(message),
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": meta["name"],
                **{
                    key: meta[key] for key in ("namespace", "uid", "resourceVersion") if key in meta
                },
            },
        }
        whom = "/".join(
            (about["kind"], meta.get("namespace", ""), meta["name"], meta.get("uid", ""))
        )
        key = (whom, body["type"], body["reason"], body["message"])
        now = self._clock.now()
        if waiting := self._waiting.get(key):
            waiting.count, waiting.last = waiting.count + 1, now
        elif not self._within_budget(whom):
            self._held_back[key] = self._held_back.pop(key, 0) + 1
            _trim(self._held_back)
        elif len(self._waiting) >= self._settings.queue:
            self.dropped += 1
            self._tell_dropped(reason)
        else:
            count = 1 + self._held_back.pop(key, 0)
            # Made once: a create that is tried again meets what the first attempt may have made.
            self._waiting[key] = _Waiting(body, count, now, self._suffix(now))
            self._wake.set()

    def _tell_dropped(self, reason: str) -> None:
        self._untold += 1
        now = self._clock.monotonic()
        if self._told_at is not None and now - self._told_at < _TELL_EVERY:
            return
        _log.warning(
            "too many Events wait, some are dropped",
            extra=fields(count=self._untold, reason=reason),
        )
        self._untold, self._told_at = 0, now

    def _suffix(self, now: datetime) -> str:
        # Names sort as the Events were recorded, those of one instant too.
        number = next(self._numbers) % 0x10000
        return f"{int(now.timestamp() * 1e6):x}{number:04x}{self._rng.getrandbits(16):04x}"

    def _within_budget(self, whom: str) -> bool:
        now = self._clock.monotonic()
        bucket = self._buckets.pop(whom, None) or _Bucket(self._settings.burst, now)
        self._buckets[whom] = bucket
        _trim(self._buckets)
        refilled = bucket.tokens + (now - bucket.at) / self._settings.refill
        bucket.tokens, bucket.at = min(float(self._settings.burst), refilled), now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _send_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def _send_next(self) -> None:
        async with self._sending:
            if not self._waiting:
                return
            key, waiting = self._waiting.popitem(last=False)
            try:
                await self._send(key, waiting)
            except asyncio.CancelledError:
                self._put_back(key, waiting)
                raise
            except ApiError as error:
                self.dropped += waiting.count
                _log.warning(
                    "an Event could not be sent",
                    extra=fields(reason=waiting.body["reason"], why=str(error)),
                )
            except Exception:
                self.dropped += waiting.count
                _log.exception("an Event could not be sent", extra=fields(about=key[0]))

    def _put_back(self, key: _Key, waiting: _Waiting) -> None:
        if later := self._waiting.pop(key, None):
            waiting.count, waiting.last = waiting.count + later.count, later.last
        self._waiting[key] = waiting
        self._waiting.move_to_end(key, last=False)

    async def _send(self, key: _Key, waiting: _Waiting) -> None:
        for attempt in range(self._settings.attempts):
            try:
                await self._send_once(key, waiting)
            except ApiError as error:
                if not error.transient or attempt + 1 == self._settings.attempts:
                    raise
                pause = self._settings.backoff.delay(attempt, self._rng)
                await self._clock.sleep(max(pause, min(error.retry_after or 0.0, 30.0)))
            else:
                return

    async def _send_once(self, key: _Key, waiting: _Waiting) -> None:
        series = self._sent.get(key)
        if series is not None:
            count = series.count + waiting.count
            patch = {"count": count, "lastTimestamp": stamp(waiting.last)}
            try:
                await self._client.patch(
                    _EVENTS, series.name, series.namespace, patch, manager=self._component
                )
            except NotFound:
                # Events live for an hour by default: begin a new one.
                del self._sent[key]
            else:
                series.count = count
                self._sent.move_to_end(key)
                return
        body = self._event(waiting)
        meta = body["metadata"]
        with contextlib.suppress(AlreadyExists):
            await self._client.create(_EVENTS, body, manager=self._component)
        self._sent[key] = _Series(meta["name"], meta["namespace"], waiting.count)
        _trim(self._sent)

    def _event(self, waiting: _Waiting) -> Body:
        about = waiting.body["involvedObject"]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{about['name'][:220]}.{waiting.suffix}",
                "namespace": about.get("namespace") or "default",
            },
            **waiting.body,
            "count": waiting.count,
            "firstTimestamp": stamp(waiting.last),
            "lastTimestamp": stamp(waiting.last),
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance[:128],
        }


def _trim(table: OrderedDict[Any, Any]) -> None:
    while len(table) > _REMEMBERED:
        table.popitem(last=False)
