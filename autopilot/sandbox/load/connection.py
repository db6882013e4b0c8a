"""One keep-alive HTTP/1.1 connection of the load generator."""

from __future__ import annotations

import asyncio
from typing import cast


class Answer:
    """An answer's head, as far as the generator needs it."""

    __slots__ = ("headers", "keep_alive", "status")

    def __init__(self, status: int, headers: dict[bytes, bytes], *, keep_alive: bool) -> None:
        self.status = status
        self.headers = headers
        self.keep_alive = keep_alive

    def text(self, name: bytes) -> str:
        """A header as text; empty when absent."""
        return self.headers.get(name, b"").decode("latin-1")


class Connection(asyncio.Protocol):
    """Sends one request at a time and hands back the head of its answer."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: Answer | None = None
        self._missing = 0
        self._chunked = False
        self._waiter: asyncio.Future[Answer] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        self.closed = True
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the connection must be idle."""
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiter

    def abort(self) -> None:
        """Drop the connection and whatever is under way on it."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Collect the answer."""
        try:
            self._feed(data)
        except (ValueError, IndexError) as error:
            self._fail(ConnectionError(f"unreadable answer: {error}"))
            self.abort()

    def _feed(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if self._answer is None:
            head, found, rest = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = buffer
                return
            self._start(head)
            buffer = rest
        if self._chunked:
            # Only the end matters: bodies of the sandbox's pods are short, and never this text.
            self._buffer = buffer
            if buffer.endswith(b"0\r\n\r\n"):
                self._finish()
            return
        self._buffer = b""
        self._missing -= len(buffer)
        if self._missing <= 0:
            self._finish()

    def _start(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        status = int(lines[0].split(b" ", 2)[1])
        headers: dict[bytes, bytes] = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        keep = headers.get(b"connection", b"").lower() != b"close"
        self._answer = Answer(status, headers, keep_alive=keep)
        self._chunked = headers.get(b"transfer-encoding", b"").lower() == b"chunked"
        self._missing = 0 if self._chunked else int(headers.get(b"content-length", b"0"))

    def _finish(self) -> None:
        answer, self._answer, self._buffer = self._answer, None, b""
        if answer is not None and not answer.keep_alive:
            self.closed = True
            if self._transport is not None:
                self._transport.close()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and answer is not None and not waiter.done():
            waiter.set_result(answer)

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
