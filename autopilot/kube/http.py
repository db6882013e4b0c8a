"""The concrete client: HTTP with raw dicts, on the `kubernetes` package's login."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

from autopilot.kube.client import (
    Body,
    Gone,
    KubeClient,
    Listing,
    PatchType,
    Unavailable,
    WatchEvent,
)
from autopilot.kube.login import Connection, Login, shown
from autopilot.kube.transport import NO_ANSWER, Transport, say
from autopilot.kube.wire import event_of, lines, needed, path, path_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from autopilot.kube.kinds import ResourceType

PAGE = 500
"""Objects per page of a list, as client-go asks for."""

_APPLY = "application/apply-patch+yaml"
_RELISTS = 3


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
    return HttpKubeClient(Transport(login, timeout=timeout, user_agent=user_agent))


class HttpKubeClient(KubeClient):
    """`KubeClient` over HTTP; made by `connect` inside a running loop."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def server(self) -> str:
        """The API's URL, for people: see `shown`."""
        return shown(self._transport.login.server)

    @property
    def has_secret_path(self) -> bool:
        """Whether the API's URL holds what may not be shown."""
        return self.server != self._transport.login.server

    @property
    def context(self) -> str:
        """The kubeconfig context's name, or `in-cluster`."""
        return self._transport.login.context

    async def connection(self, *, renew: bool = False) -> Connection:
        """The present address and credentials.

        Args:
            renew: Get new ones: those given out last were refused.
        """
        return await self._transport.login.connection(renew=renew)

    async def get(self, kind: ResourceType, name: str, namespace: str | None = None) -> Body:
        """One object; `NotFound` if absent."""
        return await self._transport.call("GET", path(kind, name, namespace))

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
            page = await self._transport.call("GET", kind.collection(namespace), query=query)
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
        response = await self._transport.open(path, query)
        try:
            yield WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": resource_version}})
            async for line in lines(response):
                yield event_of(line, kind, f"watch of {path}")
        except NO_ANSWER as error:
            raise Unavailable(0, "", f"watch of {path}: cut off: {say(error)}") from error
        finally:
            response.close()

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
        return await self._transport.call("POST", path, query=query, body=body)

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
        return await self._transport.call(
            "PATCH", where, query=query, body=body, content_type=_APPLY
        )

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
        return await self._transport.call(
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
        return await self._transport.call("PUT", where, query={"fieldManager": manager}, body=body)

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
        await self._transport.call("DELETE", path(kind, name, namespace), body=options)

    async def request(self, method: str, path: str, body: Body | None = None) -> Body:
        """Any other call; `path` may carry a query."""
        return await self._transport.call(method, path, body=body)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._transport.close()
