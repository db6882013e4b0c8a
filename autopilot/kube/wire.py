"""URLs and watch streams as the API spells them: no connection here."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp

from autopilot.kube.answers import error_of, read_json
from autopilot.kube.client import Body, Unavailable, WatchEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from autopilot.kube.kinds import ResourceType


def needed(kind: ResourceType, namespace: str | None) -> str | None:
    """The namespace of a call on one object.

    Raises:
        ValueError: The kind stands in namespaces, and none is given.
    """
    if kind.namespaced and not namespace:
        raise ValueError(f"{kind.qualified} stand in a namespace; none was given")
    return namespace


def path(kind: ResourceType, name: str, namespace: str | None, subresource: str = "") -> str:
    """The URL path of one object.

    Raises:
        ValueError: The name or the namespace is missing: the path would be the collection's.
    """
    if not name:
        raise ValueError(f"a call on one of the {kind.qualified} needs its name")
    path = f"{kind.collection(needed(kind, namespace))}/{quote(name, safe='')}"
    return f"{path}/{subresource}" if subresource else path


def path_of(kind: ResourceType, body: Body, subresource: str) -> str:
    """The URL path of the object that a body names."""
    meta = body.get("metadata") or {}
    return path(kind, str(meta.get("name") or ""), meta.get("namespace"), subresource)


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The lines of a stream, each complete."""
    # Not the stream's own readline: it refuses lines beyond its buffer, and a body may be 1.5 MB.
    rest: list[bytes] = []
    async for chunk in response.content.iter_any():
        head, *tail = chunk.split(b"\n")
        rest.append(head)
        for piece in tail:
            line = b"".join(rest)
            rest = [piece]
            if line.strip():
                yield line
    if b"".join(rest).strip():
        raise aiohttp.ClientPayloadError("the stream ended in the middle of an event")


def event_of(line: bytes, kind: ResourceType, what: str) -> WatchEvent:
    """Read one event of a watch.

    Raises:
        ApiError: It is an ERROR (`Gone` for 410), or no event at all (`Unavailable`).
    """
    event = read_json(line)
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise Unavailable(0, "", f"{what}: an event is no JSON object")
    body: Body = event["object"]
    match event.get("type"):
        case "ERROR":
            raise error_of(int(body.get("code") or 500), body, what=what)
        case "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" as change:
            return WatchEvent(change, {"apiVersion": kind.api_version, "kind": kind.kind, **body})
        case other:
            raise Unavailable(0, "", f"{what}: unknown type of event: {other}")
