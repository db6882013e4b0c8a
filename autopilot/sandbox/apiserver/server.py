"""The server: start, stop, and what is in between."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

from aiohttp import web

from autopilot.base.clock import Clock, SystemClock
from autopilot.sandbox.apiserver.faults import Faults
from autopilot.sandbox.apiserver.handler import Handler
from autopilot.sandbox.apiserver.journal import Journal
from autopilot.sandbox.apiserver.operations import Operations
from autopilot.sandbox.apiserver.pages import Pages
from autopilot.sandbox.apiserver.store import Store
from autopilot.sandbox.apiserver.streaming import Streams

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.operations import LogSource

NAME = "autopilot-sandbox"


class ApiServer:
    """A Kubernetes-compatible API server in this process, on loopback.

    Attributes:
        store: The objects, for controllers and tests in this process.
        faults: Trouble on purpose.
        requests: The journal of what was asked.
        token: The bearer token; made up unless given.

    Args:
        clock: Where time stamps come from. Bookmarks, time-outs and injected latency run on the
            event loop's time, as they concern connections.
    """

    def __init__(self, *, clock: Clock | None = None, token: str | None = None) -> None:
        self.clock = clock or SystemClock()
        self.token = token or secrets.token_urlsafe(24)
        self.store = Store(self.clock)
        self.faults = Faults()
        self.requests = Journal()
        self._operations = Operations(self.store.core)
        self._streams = Streams(self.store.core)
        pages = Pages(self.store.registry, self.faults, self.requests)
        self._handler = Handler(self.token, self._operations, pages, self._streams)
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._url = ""
        self.faults.bind("cut-watches", self._cut)
        self.faults.bind("expire-watches", self._expire)
        self.faults.bind("drop-history", self._drop_history)

    @property
    def url(self) -> str:
        """Where it listens, like `http://127.0.0.1:34567`.

        Raises:
            RuntimeError: It isn't started.
        """
        if not self._url:
            raise RuntimeError("the API server isn't started; call start() first")
        return self._url

    @property
    def watches(self) -> int:
        """How many watches are open."""
        return len(self._streams)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one.

        Raises:
            ValueError: The host isn't loopback.
            OSError: The port is taken.
        """
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(f"the sandbox listens on loopback only, not on {host}")
        loop = asyncio.get_running_loop()
        # A watch whose client leaves ends at once; no other operation pauses once it has begun.
        self._web = web.Server(self._handler, access_log=None, handler_cancellation=True)
        self._listener = await loop.create_server(self._web, host, port, backlog=1024)
        at = self._listener.sockets[0].getsockname()
        name = f"[{at[0]}]" if ":" in at[0] else at[0]
        self._url = f"http://{name}:{at[1]}"

    async def stop(self) -> None:
        """End the watches, close the connections and stop listening."""
        self._streams.close()
        if self._listener is not None:
            self._listener.close()
        if self._web is not None:
            await asyncio.sleep(0)
            await self._web.shutdown(timeout=0.05)
        self._listener = self._web = None
        self._url = ""

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig with one context, for this server only.

        The server's address holds the token too: kubectl sends none over plain HTTP.
        """
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": NAME, "cluster": {"server": f"{self.url}/{self.token}"}}],
            "users": [{"name": NAME, "user": {"token": self.token}}],
            "contexts": [
                {"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}
            ],
            "current-context": NAME,
        }

    def set_log_source(self, source: LogSource | None) -> None:
        """Say where pods' logs come from: (pod, query parameters) -> text, or None for no log."""
        self._operations.log_source = source

    def _cut(self, resource: str) -> int:
        streams = self._streams.of(resource)
        for stream in streams:
            stream.cut()
        return len(streams)

    def _expire(self, resource: str) -> int:
        streams = self._streams.of(resource)
        for stream in streams:
            stream.expire()
        return len(streams)

    def _drop_history(self, _resource: str) -> int:
        self.store.database.forget_history()
        self._operations.lister.expire()
        return 0
