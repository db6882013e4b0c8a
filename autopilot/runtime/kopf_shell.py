"""kopf's watch of the primary kinds, beside our own caches: it only wakes.

When a kopf operator ends (a 403, 404 or HTTP-level 410 on a watched kind does that), it cancels
every task made since its start, and it takes the signal handlers where it can. So it has a thread
and a loop of its own, hands over keys and nothing else, and is started again when it ends.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from typing import TYPE_CHECKING, Any

from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.kube.http import HttpKubeClient
from autopilot.kube.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import kopf

    from autopilot.kube.client import KubeClient
    from autopilot.kube.kinds import ResourceType

    Wake = Callable[[str, str, str, str], None]

_log = logging.getLogger("autopilot.shell")

PATIENCE = 0.4
"""Seconds that kopf has to end when told to; its thread is a daemon, so it holds up nothing."""

_CALL_TIMEOUT = 30.0


class KopfShell:
    """Runs kopf.

    Args:
        kinds: The primary kinds.
        client: Whose address and credentials it uses too.
        wake: Called in the caller's loop with kind (qualified), namespace, name and
            resourceVersion (empty for a resource that is gone).
        namespace: The only namespace to watch; empty for all.
    """

    def __init__(
        self, kinds: Sequence[ResourceType], client: KubeClient, wake: Wake, namespace: str = ""
    ) -> None:
        self._kinds = tuple(kinds)
        self._client = client
        self._wake = wake
        self._namespace = namespace
        self._backoff = Backoff(initial=1.0, maximum=30.0)
        self.starts = 0
        """How often it was started."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop; started again, ever more slowly, when it ends by itself."""
        if not isinstance(self._client, HttpKubeClient):
            _log.debug("this client has no connection to share; only our own watches run")
            await stop.wait()
            return
        failures, said = 0, ""
        while not stop.is_set():
            thread = _Thread(self._kinds, self._client, self._wake, self._namespace)
            self.starts += 1
            began = asyncio.get_running_loop().time()
            error = await thread.run(stop)
            if stop.is_set():
                return
            if asyncio.get_running_loop().time() - began > 60:
                failures = 0
            # Said once, it is said: a kind that may not be watched ends it again and again.
            level = logging.DEBUG if error == said else logging.WARNING
            _log.log(level, "kopf ended, starting it again", extra=fields(why=error))
            said = error
            await _wait(stop, self._backoff.delay(failures, random.Random()))
            failures += 1


class _Thread:
    """One life of a kopf operator, in its own thread and loop."""

    def __init__(
        self,
        kinds: Sequence[ResourceType],
        client: HttpKubeClient,
        wake: Wake,
        namespace: str,
    ) -> None:
        self._kinds = kinds
        self._client = client
        self._wake = wake
        self._namespace = namespace
        self._main = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._inner: asyncio.AbstractEventLoop | None = None
        self._flag: asyncio.Event | None = None
        self._lock = threading.Lock()
        self._logins = 0
        self._why = ""

    async def run(self, stop: asyncio.Event) -> str:
        """Run until it ends by itself or `stop` is set; why it ended."""
        threading.Thread(target=self._live, name="kopf", daemon=True).start()
        stopped = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                self._tell_to_stop()
                await asyncio.wait({ended}, timeout=PATIENCE)
        finally:
            self._tell_to_stop()
            await cancel_and_wait(stopped, ended)
        return self._why

    def _tell_to_stop(self) -> None:
        with self._lock:
            if self._inner is not None and self._flag is not None:
                self._inner.call_soon_threadsafe(self._flag.set)

    def _live(self) -> None:
        try:
            asyncio.run(self._operate())
        except Exception as error:
            self._why = f"{type(error).__name__}: {error}"
        finally:
            self._in_main(self._ended.set)

    async def _operate(self) -> None:
        import kopf

        flag = asyncio.Event()
        with self._lock:
            self._inner, self._flag = asyncio.get_running_loop(), flag
        # kopf leaves failed tasks behind when the API is away; why it ended is told by itself.
        self._inner.set_exception_handler(_left_behind)
        try:
            await kopf.operator(
                registry=self._registry(),
                settings=_settings(),
                stop_flag=flag,
                clusterwide=not self._namespace,
                namespaces=[self._namespace] if self._namespace else [],
                standalone=True,
            )
        finally:
            with self._lock:
                self._inner = self._flag = None

    def _registry(self) -> kopf.OperatorRegistry:
        import kopf

        hush(entirely=self._client.has_secret_path)
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, id="connection")(self._login)
        for kind in self._kinds:
            watched = kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)
            watched(self._handler(kind.qualified))
        return registry

    def _handler(self, kind: str) -> Callable[..., Any]:
        async def changed(**event: Any) -> None:
            meta, gone = event["meta"], event["type"] == "DELETED"
            version = "" if gone else str(meta.get("resourceVersion", ""))
            self._in_main(self._wake, kind, event["namespace"] or "", event["name"] or "", version)

        return changed

    async def _login(self, **_: Any) -> Any:
        """Our own connection's address and credentials, in a session of kopf's own."""
        import aiohttp
        import kopf

        self._logins += 1
        asked = asyncio.run_coroutine_threadsafe(
            self._client.connection(renew=self._logins > 1), self._main
        )
        found = await asyncio.wait_for(asyncio.wrap_future(asked), _CALL_TIMEOUT)
        if found.server_hostname:
            raise kopf.PermanentError("kopf can't check a certificate for another name")
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=32, ssl=found.ssl),
            headers={**found.headers, "User-Agent": "autopilot-kopf"},
            proxy=found.proxy,
        )
        return kopf.AiohttpSession(server=found.server, aiohttp_session=session)

    def _in_main(self, call: Callable[..., None], *arguments: Any) -> None:
        if not self._main.is_closed():
            self._main.call_soon_threadsafe(call, *arguments)


def hush(*, entirely: bool) -> None:
    """Keep kopf's own lines to the debug level, or off `entirely`: they have the API's full URL.

    It warns that it gets no signals, which is by design here; and what it says of the API our
    caches, which watch the same kinds, say as well. That it ended is told by `KopfShell`.
    """
    debug = logging.getLogger().isEnabledFor(logging.DEBUG) and not entirely
    logging.getLogger("kopf").setLevel(logging.DEBUG if debug else logging.CRITICAL)


def _left_behind(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    why = context.get("exception") or context.get("message")
    _log.debug("kopf left a failed task behind", extra=fields(why=str(why)))


def _settings() -> kopf.OperatorSettings:
    """Nothing that writes, scans or holds up an end."""
    import kopf

    settings = kopf.OperatorSettings()
    settings.process.ultimate_exiting_timeout = None
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.watching.chunk_size = 500
    settings.networking.error_backoffs = (0.1, 0.5, 1.0)
    settings.networking.request_timeout = 30.0
    settings.queueing.exit_timeout = 0.1
    settings.queueing.idle_timeout = 0.5
    return settings


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopped}, timeout=seconds)
    finally:
        stopped.cancel()
