"""Open-loop load: the rate holds whatever the server does.

A request is due at fixed times. One that the generator itself sends late (the machine was busy) is
measured from its sending; one that has to wait for a free connection is measured from when it was
due, so a slow server can't hide behind the generator's patience.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autopilot.base.clock import Clock, SystemClock
from autopilot.sandbox.load.connection import Answer, Connection
from autopilot.sandbox.load.stats import Record, Totals, window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEPT = 500_000
"""How many records are kept by default; the oldest go first. Totals count all."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask, and how.

    Attributes:
        url: `http://address:port/path`.
        host: The Host header; empty means the URL's own.
        rate: Requests a second.
        connections: The most connections open at once.
        timeout: Seconds after which a request has failed.
        headers: More headers to send.
    """

    url: str
    host: str = ""
    rate: float = 240.0
    connections: int = 64
    timeout: float = 5.0
    headers: tuple[tuple[str, str], ...] = ()

    def request(self) -> bytes:
        """The bytes of one request."""
        parts = urlsplit(self.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"GET {path} HTTP/1.1", f"Host: {self.host or parts.netloc}"]
        lines += ["User-Agent: autopilot-load", "Accept: */*"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def address(self) -> tuple[str, int]:
        """Where to connect.

        Raises:
            ValueError: The URL isn't an http URL with a host.
        """
        parts = urlsplit(self.url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{self.url!r} is no URL to load; write http://127.0.0.1:8080/path")
        return parts.hostname, parts.port or 80


class LoadGenerator:
    """Sends requests at a steady rate until it is stopped.

    Args:
        target: What to ask.
        clock: Where times come from.
        kept: How many records to keep.
        sink: Called with each record as it is made.
    """

    def __init__(
        self,
        target: Target,
        *,
        clock: Clock | None = None,
        kept: int = KEPT,
        sink: Callable[[Record], None] | None = None,
    ) -> None:
        self.target = target
        self._clock = clock or SystemClock()
        self._address = target.address()
        self._request = target.request()
        self._records: deque[Record] = deque(maxlen=kept)
        self._sink = sink
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(target.connections)
        self._flying: set[asyncio.Task[None]] = set()
        self._pacer: asyncio.Task[None] | None = None
        self._by_status: Counter[int] = Counter()
        self._failed = 0

    async def start(self) -> None:
        """Begin; returns at once."""
        if self._pacer is None:
            self._pacer = asyncio.create_task(self._pace(), name="load")

    async def stop(self) -> None:
        """Send no more, wait for what is under way (at most the time-out), close."""
        if self._pacer is not None:
            self._pacer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pacer
            self._pacer = None
        if self._flying:
            await asyncio.wait(self._flying, timeout=self.target.timeout + 1)
        for connection in self._idle:
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    @property
    def records(self) -> Sequence[Record]:
        """What was kept, in the order of the answers."""
        return list(self._records)

    def totals(self) -> Totals:
        """All requests since the start, also those no longer kept."""
        return Totals(self._by_status.total(), self._failed, dict(self._by_status))

    def window(self, since: float) -> list[Record]:
        """The kept records of requests sent at or after `since` (monotonic seconds)."""
        return window(self._records, since)

    async def _pace(self) -> None:
        begin = self._clock.monotonic()
        sent = 0
        while True:
            due = int((self._clock.monotonic() - begin) * self.target.rate) + 1
            for _ in range(sent, due):
                task = asyncio.create_task(self._one())
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)
            sent = max(sent, due)
            await self._clock.sleep(begin + sent / self.target.rate - self._clock.monotonic())

    async def _one(self) -> None:
        at = self._clock.monotonic()
        answer: Answer | None = None
        error = ""
        try:
            async with asyncio.timeout(self.target.timeout):
                answer = await self._exchange()
        except TimeoutError:
            error = "timeout"
        except OSError as failure:
            error = type(failure).__name__
        duration = self._clock.monotonic() - at
        if answer is None:
            self._keep(Record(at, duration, 0, error=error))
            return
        workload, version = answer.text(b"x-workload"), answer.text(b"x-version")
        self._keep(Record(at, duration, answer.status, workload, version))

    async def _exchange(self) -> Answer:
        async with self._slots:
            connection = await self._connection()
            try:
                answer = await connection.send(self._request)
            except BaseException:
                connection.abort()
                raise
            if not connection.closed:
                self._idle.append(connection)
            return answer

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        host, port = self._address
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(Connection, host, port))[1]

    def _keep(self, record: Record) -> None:
        self._records.append(record)
        self._by_status[record.status] += 1
        self._failed += record.failed
        if self._sink is not None:
            self._sink(record)
