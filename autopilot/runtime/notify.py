"""Notifications: posted to webhooks in the background, tried again for a while, never awaited."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.kube.client import ApiError
from autopilot.kube.retry import Backoff
from autopilot.spec.hosts import place_of
from autopilot.telemetry.access import BadSource
from autopilot.telemetry.secrets import KubeSecrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.base.clock import Clock
    from autopilot.kube.client import KubeClient
    from autopilot.runtime.record import Key
    from autopilot.runtime.result import Notice

_log = logging.getLogger("autopilot.notify")

QUEUE = 256
"""How many notifications wait at most; a webhook that is down must not fill the memory."""

ATTEMPTS = 6
SENDERS = 4
"""So many are sent at once: one webhook that hangs holds up a quarter of the others."""

TIMEOUT = 5.0
"""Seconds for one request, the reading of a Secret included."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    key: Key
    notice: Notice


class Notifier:
    """Posts notifications.

    Args:
        client: The API, for Secrets.
        clock: For the back-off.
        allow: Whether the installation allows the host that a URL leads to.
    """

    def __init__(self, client: KubeClient, clock: Clock, allow: Callable[[str], bool]) -> None:
        self._secrets = KubeSecrets(client)
        self._clock = clock
        self._allow = allow
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(QUEUE)
        self._backoff = Backoff(initial=1.0, maximum=30.0)
        self._rng = random.Random()
        self.dropped = 0
        """How many were given up, or found no place in the queue."""

    def send(self, key: Key, notice: Notice) -> None:
        """Queue a notification; returns at once and never raises.

        Args:
            key: The resource that it comes from.
            notice: What to post, and where.
        """
        try:
            self._queue.put_nowait(_Waiting(key, notice))
        except asyncio.QueueFull:
            self._give_up(_Waiting(key, notice), f"{QUEUE} wait already")

    async def run(self, stop: asyncio.Event) -> None:
        """Post what is queued until `stop` is set; what waits then is lost."""
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT), trust_env=False
        ) as session:
            senders = [asyncio.create_task(self._send_for_ever(session)) for _ in range(SENDERS)]
            stopped = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({stopped, *senders}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancel_and_wait(stopped, *senders)

    async def _send_for_ever(self, session: aiohttp.ClientSession) -> None:
        while True:
            waiting = await self._queue.get()
            try:
                await self._deliver(session, waiting)
            except TerminalError as error:
                self._give_up(waiting, str(error))
            except Exception:
                _log.exception(
                    "a notification broke its sender", extra=fields(resource=str(waiting.key))
                )

    async def _deliver(self, session: aiohttp.ClientSession, waiting: _Waiting) -> None:
        for attempt in range(ATTEMPTS):
            try:
                async with asyncio.timeout(2 * TIMEOUT):
                    await self._post(session, waiting)
                return
            except (RetryLater, TimeoutError) as error:
                if attempt == ATTEMPTS - 1:
                    raise TerminalError(str(error) or "no answer in time") from error
                after = getattr(error, "after", None)
            await self._clock.sleep(max(self._backoff.delay(attempt, self._rng), after or 0.0))

    async def _post(self, session: aiohttp.ClientSession, waiting: _Waiting) -> None:
        url = await self._url(waiting)
        host = self._checked(url)
        try:
            async with session.post(
                url,
                data=json.dumps(waiting.notice.body, ensure_ascii=False).encode(),
                headers={"Content-Type": "application/json", "User-Agent": "autopilot"},
                # A redirect leads wherever its host likes, past the list of allowed ones.
                allow_redirects=False,
            ) as answer:
                status = answer.status
        except aiohttp.InvalidURL as error:
            raise TerminalError("the webhook's address is no URL") from error
        except (aiohttp.ClientError, OSError) as error:
            # Its text may hold the URL, which is as good as a password.
            raise RetryLater(f"{host}: {type(error).__name__}") from error
        if status == 429 or status >= 500:
            raise RetryLater(f"{host} answered {status}")
        if not 200 <= status < 300:
            raise TerminalError(f"{host} answered {status}")

    def _checked(self, url: str) -> str:
        """The host of an allowed address.

        Raises:
            TerminalError: It is none.
        """
        try:
            host, _ = place_of(url)
        except ValueError as error:
            raise TerminalError("the webhook's address is no http or https URL") from error
        if not self._allow(url):
            raise TerminalError(f"the installation doesn't allow the host {host}")
        return host

    async def _url(self, waiting: _Waiting) -> str:
        notice, key = waiting.notice, waiting.key
        if not notice.secret:
            return notice.url
        where = f"Secret {key.namespace}/{notice.secret}"
        try:
            found = await self._secrets.read(key.namespace, notice.secret)
        except ApiError as error:
            raise RetryLater(f"{where} can't be read: {error}") from error
        except BadSource as error:
            raise TerminalError(f"{where}: {error}") from error
        if found is None:
            raise TerminalError(f"{where} isn't there")
        if not found.get("url", "").strip():
            raise TerminalError(f"{where} has no key url")
        return found["url"].strip()

    def _give_up(self, waiting: _Waiting, why: str) -> None:
        self.dropped += 1
        _log.warning(
            "a notification was not sent", extra=fields(resource=str(waiting.key), why=why)
        )
