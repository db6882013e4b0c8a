"""HTTP/1.1 on one connection, as a server: just enough to be fast and right behind a proxy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_HEAD = 65_536
LONGEST_BODY = 8_000_000
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head; bodies are read and dropped."""

    method: str
    path: str
    headers: Mapping[str, str]
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes
    headers: bytes = b""


class Application(Protocol):
    """What a connection serves."""

    draining: bool

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        ...

    def opened(self, connection: ServerConnection) -> None:
        """A client connected."""
        ...

    def closed(self, connection: ServerConnection) -> None:
        """A client left, or was sent away."""
        ...


class ServerConnection(asyncio.Protocol):
    """Reads requests one after the other and answers each before it reads the next."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._asked_to_continue = False

    @property
    def busy(self) -> bool:
        """Whether a request is being read or answered."""
        return self._task is not None or bool(self._buffer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._application.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop answering somebody who is gone."""
        if self._task is not None:
            self._task.cancel()
        self._application.closed(self)

    def data_received(self, data: bytes) -> None:
        """Collect a request."""
        self._buffer += data
        if self._task is None:
            self._next()

    def close_if_idle(self) -> None:
        """Send an idle client away."""
        if not self.busy and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection, as a dying process does."""
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        try:
            request = self._read()
        except ValueError:
            self._write(Response(400, b"bad request\n"), keep_alive=False)
            return
        if request is not None:
            self._asked_to_continue = False
            self._task = asyncio.get_running_loop().create_task(self._serve(request))

    async def _serve(self, request: Request) -> None:
        response = await self._application.answer(request)
        keep = request.keep_alive and not self._application.draining
        self._task = None
        self._write(response, keep_alive=keep, head_only=request.method == "HEAD")
        if keep and self._buffer:
            self._next()

    def _read(self) -> Request | None:
        """Take one whole request off the buffer; None while some of it is missing.

        Raises:
            ValueError: What came isn't HTTP/1.1.
        """
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > LONGEST_HEAD:
                raise ValueError("head too long")
            return None
        method, path, protocol, headers = _parse(bytes(self._buffer[:end]))
        size = _body_size(headers, self._buffer, end + 4)
        if (size or len(self._buffer) - end) > LONGEST_BODY:
            raise ValueError("body too long")
        if size is None or len(self._buffer) < end + 4 + size:
            if headers.get("expect", "").lower() == "100-continue" and not self._asked_to_continue:
                self._asked_to_continue = True
                if self._transport is not None:
                    self._transport.write(_CONTINUE)
            return None
        del self._buffer[: end + 4 + size]
        connection = headers.get("connection", "").lower()
        keep = connection != "close" if protocol == "HTTP/1.1" else connection == "keep-alive"
        return Request(method, path, headers, keep)

    def _write(self, response: Response, *, keep_alive: bool, head_only: bool = False) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s%s\r\n"
        end = b"" if keep_alive else b"connection: close\r\n"
        written = head % (
            response.status,
            _phrase(response.status),
            len(response.body),
            response.headers,
            end,
        )
        self._transport.write(written if head_only else written + response.body)
        if not keep_alive:
            self._transport.close()


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Unassigned"


def _parse(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    method, path, protocol = lines[0].split(" ")
    headers = {}
    for line in lines[1:]:
        name, found, value = line.partition(":")
        if not found:
            raise ValueError("a header without a colon")
        headers[name.lower()] = value.strip()
    return method, path, protocol, headers


def _body_size(headers: Mapping[str, str], buffer: bytearray, start: int) -> int | None:
    """How many bytes the body takes on the wire; None while that can't be known."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        size = int(headers.get("content-length") or 0)
        if size < 0:
            raise ValueError("a negative length")
        return size
    at = start
    while (line_end := buffer.find(b"\r\n", at)) >= 0:
        size = int(bytes(buffer[at:line_end]).split(b";")[0], 16)
        at = line_end + 2 + size + 2
        if size == 0:
            # Trailers are allowed by the standard; no proxy sends them unasked.
            return at - start if at <= len(buffer) else None
        if at > len(buffer):
            return None
    return None
