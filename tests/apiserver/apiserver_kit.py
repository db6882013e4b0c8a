"""A client that speaks to the API server as anybody would, and objects to send to it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from autopilot.sandbox.apiserver.server import ApiServer

JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Answer:
    """An HTTP answer, read."""

    def __init__(self, status: int, text: str, headers: Any) -> None:
        self.status = status
        self.text = text
        self.headers = headers

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def message(self) -> str:
        return self.body["message"]


class Watch:
    """An open watch; events come as (type, object)."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, within: float = 5.0) -> tuple[str, Any]:
        line = await asyncio.wait_for(self.response.content.readline(), within)
        if not line:
            raise EOFError
        event = json.loads(line)
        return event["type"], event["object"]

    async def take(self, count: int) -> list[tuple[str, str]]:
        found = [await self.next() for _ in range(count)]
        return [(type_, obj["metadata"].get("name", "")) for type_, obj in found]

    async def ended(self, within: float = 5.0) -> bool:
        try:
            await self.next(within)
        except EOFError:
            return True
        return False


class Api:
    """The server with a client session."""

    def __init__(self, server: ApiServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.store = server.store

    async def call(
        self, method: str, path: str, body: Any = None, *, media: str = JSON, **headers: str
    ) -> Answer:
        text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        data = io.BytesIO(text.encode()) if isinstance(text, str) and len(text) > 1 << 20 else text
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            sent["Content-Type"] = media
        async with self.session.request(method, path, data=data, headers=sent) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = await self.call(method, path, body, **more)
        assert answer.status < 300, answer.text
        return answer.body

    async def merge(self, path: str, body: Any, **more: Any) -> Any:
        return await self.ok("PATCH", path, body, media=MERGE, **more)

    async def apply(self, path: str, body: Any, manager: str = "tester") -> Answer:
        sign = "&" if "?" in path else "?"
        return await self.call("PATCH", f"{path}{sign}fieldManager={manager}", body, media=APPLY)

    @contextlib.asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[Watch]:
        sign = "&" if "?" in path else "?"
        async with self.session.get(f"{path}{sign}watch=1") as response:
            assert response.status == 200, await response.text()
            yield Watch(response)

    async def until(self, condition: Any, within: float = 5.0) -> None:
        """Wait until a condition of this process holds."""
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 (a condition, not an event)
                await asyncio.sleep(0.005)


def config_map(name: str = "a", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": data,
    }


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 0},
                "colour": {"type": "string", "default": "grey", "enum": ["grey", "red"]},
                "replicas": {"type": "integer"},
            },
        },
        "status": {
            "type": "object",
            "properties": {"phase": {"type": "string"}, "replicas": {"type": "integer"}},
        },
    },
}


def definition(plural: str = "widgets", **version: Any) -> dict[str, Any]:
    """A CRD for Widget in example.io/v1, with status and scale."""
    kind = plural[:-1].capitalize()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.io"},
        "spec": {
            "group": "example.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": ["wd"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": SCHEMA},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                        },
                    },
                    **version,
                }
            ],
        },
    }


def widget(name: str = "w", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.io/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 1, **spec},
    }


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.io/v1/namespaces/default/widgets"
MAPS = "/api/v1/namespaces/default/configmaps"
