"""HTTP: who may ask, what is asked, what is answered."""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from autopilot.sandbox.apiserver import errors
from autopilot.sandbox.apiserver.calls import read_call
from autopilot.sandbox.apiserver.encoding import Body, dumps
from autopilot.sandbox.apiserver.journal import Request
from autopilot.sandbox.apiserver.negotiation import BODY_LIMIT, Accepted, accepted
from autopilot.sandbox.apiserver.views import View

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.calls import Call
    from autopilot.sandbox.apiserver.faults import Fault, Faults
    from autopilot.sandbox.apiserver.journal import Journal
    from autopilot.sandbox.apiserver.operations import Operations
    from autopilot.sandbox.apiserver.pages import Pages
    from autopilot.sandbox.apiserver.streaming import Streams

_log = logging.getLogger(__name__)
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_OPEN = frozenset({"/livez", "/readyz", "/healthz", "/version"})


class Handler:
    """Answers requests.

    Args:
        token: What every request must carry: as a bearer token, or as the first step of its path,
            since kubectl sends no token over plain HTTP.
        operations: What is done to resources.
        pages: Discovery, health, and the sandbox's own.
    """

    def __init__(self, token: str, operations: Operations, pages: Pages, streams: Streams) -> None:
        self._token = f"Bearer {token}".encode()
        self._prefix = f"/{token}/"
        self._operations = operations
        self._pages = pages
        self._streams = streams
        self._journal: Journal = pages.journal
        self._faults: Faults = pages.faults

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; never raises but to be cancelled."""
        path = request.path
        trusted = path.startswith(self._prefix)
        if trusted:
            path = path[len(self._prefix) - 1 :]
        record = Request(
            request.method,
            path,
            user_agent=request.headers.get("User-Agent", ""),
            content_type=request.headers.get("Content-Type", ""),
        )
        if not path.startswith("/sandbox/"):
            self._journal.add(record)
        try:
            self._admit(request, trusted=trusted)
            response = await self._answer(request, record)
        except errors.ApiError as error:
            response = failure(error)
        except _Cut:
            record.status = 0
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=500)
        except Exception:
            _log.exception("request failed inside the API server")
            response = failure(errors.ApiError(500, "InternalError", "Internal error occurred"))
        record.status = response.status
        return response

    def _admit(self, request: web.BaseRequest, *, trusted: bool) -> None:
        # A web page could point a name of its own at 127.0.0.1; its Host header tells.
        host = request.headers.get("Host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name not in _LOCAL:
            raise errors.ApiError(403, "Forbidden", f"host {host!r} is none of this server's")
        given = request.headers.get("Authorization", "").encode()
        open_to_all = request.method == "GET" and request.path in _OPEN
        if not trusted and not open_to_all and not hmac.compare_digest(given, self._token):
            raise errors.ApiError(401, "Unauthorized", "Unauthorized")

    async def _answer(self, request: web.BaseRequest, record: Request) -> web.StreamResponse:
        page = await self._pages.answer(request, record.path)
        if page is not None:
            return page
        call = read_call(request, record.path, self._pages.registry)
        record.verb, record.resource = call.verb, call.kind.resource
        record.namespace, record.name = call.namespace or "", call.name
        record.subresource = call.subresource
        struck = self._faults.strike(record)
        if struck:
            await _suffer(struck, call)
        form = accepted(request.headers.get("Accept", ""))
        if call.verb == "watch":
            record.status = 200
            view = self._view(call, form)
            trouble = [(f.effect, f.seconds) for f in struck if f.effect in ("cut", "expire")]
            return await self._streams.serve(request, call, view, trouble)
        body = b"" if request.method == "GET" else await _read(request)
        response = self._operate(call, form, body, record.content_type)
        for fault in struck:
            if fault.effect == "latency-after":
                await asyncio.sleep(fault.seconds)
            if fault.effect == "cut-after":
                raise _Cut
        return response

    def _operate(self, call: Call, form: Accepted, body: bytes, content_type: str) -> web.Response:
        view = self._view(call, form)
        operations = self._operations
        status = 200
        if call.verb == "list":
            data = view.of_list(*operations.lister.page(call))
        elif call.verb == "get" and call.subresource == "log":
            return web.Response(text=operations.log(call), content_type="text/plain")
        elif call.verb == "get" and not call.subresource:
            data = view.of_entry(operations.entry(call))
        else:
            found, status = operations.do(call, content_type, body)
            data = self._encoded(call, view, found)
        response = reply(data, status, yaml=form.yaml)
        for warning in call.warnings:
            text = warning.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{text}"')
        return response

    def _encoded(self, call: Call, view: View, body: Body) -> bytes:
        """The answer to a write; the bytes that the store made, where they are the same."""
        given = body.get("metadata") or {}
        if "name" in given and not view.shape:
            space = given.get("namespace", "")
            entry = self._operations.core.database.get(call.kind.storage, space, given["name"])
            if entry is not None and entry.body is body:
                return entry.raw
        return dumps(view.of_body(body))

    def _view(self, call: Call, form: Accepted) -> View:
        clock = self._operations.core.clock
        return View(call.kind, form.shape, call.query.get("includeObject", ""), clock)


class _Cut(Exception):
    """The connection is to be closed without an answer."""


async def _suffer(struck: list[Fault], call: Call) -> None:
    """What faults do before a request is looked at."""
    for fault in struck:
        if fault.effect == "latency" and fault.seconds > 0:
            await asyncio.sleep(fault.seconds)
        if fault.effect == "status":
            raise fault.error()
        if fault.effect == "cut" and call.verb != "watch":
            raise _Cut
        if fault.effect == "expire" and call.query.get("continue"):
            raise errors.expired("The provided continue parameter is too old.")


async def _read(request: web.BaseRequest) -> bytes:
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > BODY_LIMIT:
            message = f"Request entity too large: limit is {BODY_LIMIT}"
            raise errors.ApiError(413, "RequestEntityTooLarge", message)
        chunks.append(chunk)
    return b"".join(chunks)


def reply(data: bytes, status: int = 200, *, yaml: bool = False) -> web.Response:
    """An answer of JSON, or of the same data as YAML."""
    if yaml:
        import json

        from yaml import safe_dump

        text = safe_dump(json.loads(data), sort_keys=False)
        return web.Response(text=text, status=status, content_type="application/yaml")
    return web.Response(body=data, status=status, content_type="application/json")


def failure(error: errors.ApiError) -> web.Response:
    """The answer that tells of an error."""
    body: Body = error.body()
    response = reply(dumps(body), error.status)
    if seconds := error.details.get("retryAfterSeconds"):
        response.headers["Retry-After"] = str(seconds)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
