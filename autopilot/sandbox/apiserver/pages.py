"""Everything that isn't a resource: discovery, health, OpenAPI, and the sandbox's own controls."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aiohttp import web

from autopilot.sandbox.apiserver import discovery, errors
from autopilot.sandbox.apiserver.encoding import Body, dumps, loads
from autopilot.sandbox.apiserver.faults import fault_from
from autopilot.sandbox.apiserver.negotiation import accepted

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.faults import Faults
    from autopilot.sandbox.apiserver.journal import Journal
    from autopilot.sandbox.apiserver.kinds import Kind, Registry
    from autopilot.sandbox.apiserver.openapi import Kind as Described

_HEALTH = ("/livez", "/readyz", "/healthz")
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# The media type with an @ that clients ask for can't be parsed by Go when it comes back.
_OPENAPI_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


class Pages:
    """Answers what is about the server itself."""

    def __init__(self, registry: Registry, faults: Faults, journal: Journal) -> None:
        self.registry = registry
        self.faults = faults
        self.journal = journal

    async def answer(self, request: web.BaseRequest, path: str) -> web.Response | None:
        """The answer, or None if the path is none of these.

        Raises:
            ApiError: 404, 405, 406.
        """
        path = path.rstrip("/") or "/"
        parts = path.split("/")[1:]
        if parts[0] == "sandbox":
            return await self._sandbox(request, parts[1:])
        if (parts[0] == "api" and len(parts) > 2) or (parts[0] == "apis" and len(parts) > 3):
            return None
        if request.method != "GET":
            raise errors.not_allowed()
        if path.startswith(_HEALTH):
            return web.Response(text="ok")
        if parts[0] in ("api", "apis"):
            return self._discovery(parts, request.headers.get("Accept", ""))
        if parts[0] == "openapi":
            return self._openapi(parts)
        if path == "/version":
            return _json(discovery.VERSION)
        if path == "/":
            return _json({"paths": ["/api", "/apis", *_HEALTH, "/openapi/v3", "/version"]})
        raise errors.no_such_path()

    def _discovery(self, parts: list[str], accept: str) -> web.Response:
        if len(parts) == 1:
            if accepted(accept).discovery:
                body = discovery.aggregated(self.registry, core=parts[0] == "api")
                return web.Response(body=dumps(body), headers={"Content-Type": _AGGREGATED})
            if parts[0] == "api":
                return _json(discovery.core_versions())
            return _json(discovery.groups(self.registry))
        if parts[0] == "api":
            return _json(discovery.resources(self.registry, "", parts[1]))
        if len(parts) == 2:
            return _json(discovery.group(self.registry, parts[1]))
        return _json(discovery.resources(self.registry, parts[1], parts[2]))

    def _openapi(self, parts: list[str]) -> web.Response:
        if parts[1:] == ["v2"]:
            return web.Response(body=b"", headers={"Content-Type": _OPENAPI_V2})
        if len(parts) < 2 or parts[1] != "v3":
            raise errors.no_such_path()
        if len(parts) == 2:
            return _raw(_openapi_index(tuple(self.registry)))
        where = (["", *parts[3:]] if parts[2] == "api" else parts[3:]) + ["", ""]
        group, version = where[0], where[1]
        kinds = self.registry.within(group, version)
        if not kinds:
            raise errors.no_such_path()
        return _raw(_openapi_document(group, version, tuple(kinds)))

    async def _sandbox(self, request: web.BaseRequest, parts: list[str]) -> web.Response:
        method, what = request.method, parts[0] if parts else ""
        if what == "requests" and method == "GET":
            return _json(self.journal.as_data())
        if what == "requests" and method == "DELETE":
            self.journal.clear()
            return _json({})
        if what == "faults" and method == "GET":
            return _json({"faults": self.faults.as_data()})
        if what == "faults" and method == "DELETE":
            self._lift(parts[1:])
            return _json({})
        if what in ("faults", "actions") and method == "POST":
            return _json(self._trouble(what, await request.content.read()))
        raise errors.no_such_path()

    def _lift(self, parts: list[str]) -> None:
        if not parts:
            self.faults.clear()
        elif parts[0].isdigit():
            self.faults.remove(int(parts[0]))
        else:
            raise errors.no_such_path()

    def _trouble(self, what: str, data: bytes) -> Body:
        try:
            body: Any = loads(data)
            if what == "faults":
                return {"id": self.faults.add(fault_from(body))}
            return {"count": self.faults.act(body["action"], body.get("resource", "*"))}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise errors.bad_request(str(error)) from None


def _json(body: Any) -> web.Response:
    return _raw(dumps(body))


def _raw(data: bytes) -> web.Response:
    return web.Response(body=data, content_type="application/json")


# Definitions rarely change, and kubectl asks for these at every apply.
@lru_cache(maxsize=2)
def _openapi_index(kinds: tuple[Kind, ...]) -> bytes:
    from autopilot.sandbox.apiserver.openapi import openapi_v3_index

    return dumps(openapi_v3_index([_described(kind) for kind in kinds]))


@lru_cache(maxsize=64)
def _openapi_document(group: str, version: str, kinds: tuple[Kind, ...]) -> bytes:
    from autopilot.sandbox.apiserver.openapi import openapi_v3_document

    return dumps(openapi_v3_document(group, version, [_described(kind) for kind in kinds]))


def _described(kind: Kind) -> Described:
    from autopilot.sandbox.apiserver.openapi import Kind as Described

    subresources = tuple(sorted(kind.subresources))
    return Described(
        kind.group, kind.version, kind.kind, kind.plural, kind.namespaced, kind.schema, subresources
    )
