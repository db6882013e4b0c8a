"""The concrete client: HTTP with raw dicts, on the `kubernetes` package's login.

Ordinary calls share 32 connections; watches, which never end, have a pool of their own.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from autopilot.kube.answers import error_of, read_json
from autopilot.kube.client import (
    ApiError,
    Body,
    Gone,
    KubeClient,
    Listing,
    PatchType,
    Unavailable,
    WatchEvent,
)
from autopilot.kube.login import Login
from autopilot.kube.wire import event_of, lines, needed, path, path_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping, Sequence

    from autopilot.kube.kinds import ResourceType

CONNECTIONS = 32
PAGE = 500
"""Objects per page of a list, as client-go asks for."""

WATCH_SILENCE = 70.0
"""Seconds without a byte before a watch counts as dead: the API sends a bookmark each minute."""

_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
_RELISTS = 3


@dataclass(frozen=True, slots=True)
class Connection:
    """What another HTTP client needs to talk to the same API as the same account.

    Attributes:
        server: The URL.
        headers: That authenticate a request, for as long as they are valid.
        ssl: As aiohttp takes it.
        proxy: Or None.
        server_hostname: The name that the certificate is checked for, where it isn't the URL's.
    """

    server: str
    headers: dict[str, str]
    ssl: ssl.SSLContext | bool
    proxy: str | None
    server_hostname: str | None


async def connect(
    kubeconfig: str | None = None,
    context: str | None = None,
    *,
    timeout: float = 10.0,
    user_agent: str = "autopilot",
) -> HttpKubeClient:
    """Log in to an API.

    Args:
        kubeconfig: A path; None searches $KUBECONFIG, ~/.kube/config, then the service account.
        context: A context of the kubeconfig; None takes its current one.
        timeout: Seconds that a call may take, waiting for a free connection included.
        user_agent: Sent with each request.

    Raises:
        InvalidInput: There is no usable kubeconfig.
    """
    login = Login(kubeconfig, context)
    await login.load()
    return HttpKubeClient(login, timeout=timeout, user_agent=user_agent)


class HttpKubeClient(KubeClient):
    """`KubeClient` over HTTP; made by `connect` inside a running loop."""

    def __init__(self, login: Login, *, timeout: float, user_agent: str) -> None:
        self._login = login
        self._timeout = timeout
        agent = {"User-Agent": user_agent, "Accept": _JSON}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=agent,
        )
        self._watches = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=agent,
        )

    @property
    def server(self) -> str:
        """The API's URL, for people."""
        return self._login.server

    @property
    def context(self) -> str:
        """The kubeconfig context's name, or `in-cluster`."""
        return self._login.context

    async def connection(self, *, renew: bool = False) -> Connection:
        """The present address and credentials.

        Args:
            renew: Get new ones: those given out last were refused.
        """
        login = self._login
        if renew:
            await login.renew(login.generation)
        headers = await login.headers()
        return Connection(login.server, headers, login.ssl, login.proxy, login.server_hostname)

    async def get(self, kind: ResourceType, name: str, namespace: str | None = None) -> Body:
        """One object; `NotFound` if absent."""
        return await self._call("GET", path(kind, name, namespace))

    async def list(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Listing:
        """All matching objects; begins anew when a page token expires half-way."""
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        for _ in range(_RELISTS):
            try:
                return await self._pages(kind, namespace, {**selectors, "limit": str(PAGE)})
            except Gone:
                continue
        return await self._pages(kind, namespace, selectors)

    async def _pages(
        self, kind: ResourceType, namespace: str | None, query: dict[str, str]
    ) -> Listing:
        items: list[Body] = []
        while True:
            page = await self._call("GET", kind.collection(namespace), query=query)
            meta = page.get("metadata") or {}
            for item in page.get("items") or []:
                items.append({"apiVersion": kind.api_version, "kind": kind.kind, **item})
            token = meta.get("continue")
            if not token:
                return Listing(items, str(meta.get("resourceVersion", "")))
            query = {**query, "continue": str(token)}

    async def watch(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Changes after `resource_version`.

        The first event is a BOOKMARK with that very version: it says that the stream stands.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            # Spread out, so that many watches opened together don't end together.
            "timeoutSeconds": str(random.randint(300, 600)),
            "labelSelector": labels,
            "fieldSelector": fields,
        }
        path = kind.collection(namespace)
        response = await self._open(path, query)
        try:
            yield WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": resource_version}})
            async for line in lines(response):
                yield event_of(line, kind, f"watch of {path}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(0, "", f"watch of {path}: cut off: {_say(error)}") from error
        finally:
            response.close()

    async def _open(self, path: str, query: dict[str, str]) -> aiohttp.ClientResponse:
        for attempt in (1, 2):
            generation = self._login.generation
            try:
                async with asyncio.timeout(self._timeout):
                    response = await self._watches.get(
                        self._url(path, query),
                        timeout=aiohttp.ClientTimeout(total=None, sock_read=WATCH_SILENCE),
                        **await self._options({}),
                    )
                    if response.status == 200:
                        return response
                    raw = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise self._silent("GET", path, error) from error
            if response.status == 401 and attempt == 1:
                await self._login.renew(generation)
                continue
            raise self._refused("watch of", path, response, raw)
        raise AssertionError("unreachable")

    async def create(
        self,
        kind: ResourceType,
        body: Body,
        namespace: str | None = None,
        *,
        manager: str = "autopilot",
        dry_run: bool = False,
    ) -> Body:
        """Make an object; `AlreadyExists` if there is one."""
        where = namespace or (body.get("metadata") or {}).get("namespace")
        path = kind.collection(needed(kind, where))
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else ""}
        return await self._call("POST", path, query=query, body=body)

    async def apply(
        self,
        kind: ResourceType,
        body: Body,
        *,
        manager: str,
        force: bool = True,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Body:
        """Server-side apply; name and namespace are the body's."""
        query = {
            "fieldManager": manager,
            "force": "true" if force else "false",
            "dryRun": "All" if dry_run else "",
        }
        where = path_of(kind, body, subresource)
        return await self._call("PATCH", where, query=query, body=body, content_type=_APPLY)

    async def patch(
        self,
        kind: ResourceType,
        name: str,
        namespace: str | None,
        patch: Body | Sequence[Body],
        *,
        subresource: str = "",
        manager: str = "autopilot",
    ) -> Body:
        """A dict is sent as a merge patch, a list as a JSON patch."""
        merge = isinstance(patch, dict)
        return await self._call(
            "PATCH",
            path(kind, name, namespace, subresource),
            query={"fieldManager": manager},
            body=patch if merge else [*patch],
            content_type=PatchType.MERGE if merge else PatchType.JSON,
        )

    async def replace(
        self, kind: ResourceType, body: Body, *, subresource: str = "", manager: str = "autopilot"
    ) -> Body:
        """PUT under the body's own resourceVersion; `Conflict` when it is no longer current."""
        where = path_of(kind, body, subresource)
        return await self._call("PUT", where, query={"fieldManager": manager}, body=body)

    async def delete(
        self,
        kind: ResourceType,
        name: str,
        namespace: str | None = None,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
    ) -> None:
        """Delete, under the given preconditions; an absent object is `NotFound`."""
        conditions = {"uid": uid, "resourceVersion": resource_version}
        options: Body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {key: value for key, value in conditions.items() if value},
        }
        await self._call("DELETE", path(kind, name, namespace), body=options)

    async def request(self, method: str, path: str, body: Body | None = None) -> Body:
        """Any other call; `path` may carry a query."""
        return await self._call(method, path, body=body)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._watches.close()
        await self._session.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = _JSON,
    ) -> Body:
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {} if data is None else {"Content-Type": content_type}
        for attempt in (1, 2):
            generation = self._login.generation
            try:
                async with self._session.request(
                    method,
                    self._url(path, query or {}),
                    data=data,
                    timeout=aiohttp.ClientTimeout(total=self._timeout),
                    **await self._options(headers),
                ) as response:
                    raw = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise self._silent(method, path, error) from error
            if response.status == 401 and attempt == 1:
                await self._login.renew(generation)
                continue
            if response.status >= 300:
                raise self._refused(method, path, response, raw)
            answer = read_json(raw)
            if not isinstance(answer, dict):
                raise Unavailable(0, "", f"{method} {path}: the answer is no JSON object")
            return answer
        raise AssertionError("unreachable")

    async def _options(self, headers: dict[str, str]) -> dict[str, Any]:
        return {
            "headers": {**headers, **await self._login.headers()},
            "ssl": self._login.ssl,
            "proxy": self._login.proxy,
            "server_hostname": self._login.server_hostname,
            "allow_redirects": False,
        }

    def _url(self, path: str, query: Mapping[str, str]) -> URL:
        text = urlencode({key: value for key, value in query.items() if value})
        return URL(f"{self.server}{path}?{text}" if text else self.server + path, encoded=True)

    def _silent(self, method: str, path: str, error: Exception) -> Unavailable:
        why = f"no answer in {self._timeout:g} s" if _late(error) else _say(error)
        return Unavailable(0, "", f"{method} {path} at {self.server}: {why}")

    @staticmethod
    def _refused(method: str, path: str, response: Any, raw: bytes) -> ApiError:
        return error_of(
            response.status,
            read_json(raw),
            what=f"{method} {path}",
            after=response.headers.get("Retry-After"),
        )


def _late(error: Exception) -> bool:
    return isinstance(error, TimeoutError)


def _say(error: Exception) -> str:
    return str(error) or type(error).__name__
