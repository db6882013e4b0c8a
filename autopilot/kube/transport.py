"""Requests with time-outs, renewed credentials and errors that say their consequence.

Ordinary calls share 32 connections; watches, which never end, have a pool of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from autopilot.base.errors import AutopilotError
from autopilot.kube.answers import error_of, read_json
from autopilot.kube.client import ApiError, Body, Unavailable
from autopilot.kube.login import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.kube.login import Login

CONNECTIONS = 32

WATCH_SILENCE = 70.0
"""Seconds without a byte before a watch counts as dead: the API sends a bookmark each minute."""

NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)
"""What aiohttp raises where no answer came: then whether a write happened is unknown."""

_JSON = "application/json"


class Transport:
    """The connections to one API; made inside a running loop.

    Args:
        login: Address and credentials.
        timeout: Seconds that a call may take, waiting for a free connection included.
        user_agent: Sent with each request.
    """

    def __init__(self, login: Login, *, timeout: float, user_agent: str) -> None:
        self.login = login
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

    async def open(self, path: str, query: dict[str, str]) -> aiohttp.ClientResponse:
        """Begin a watch; the caller closes the response.

        Raises:
            ApiError: It was refused, or not answered in time.
        """
        for attempt in (1, 2):
            generation = self.login.generation
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
            except NO_ANSWER as error:
                raise self._silent("GET", path, error) from error
            if response.status == 401 and attempt == 1:
                await self._renew(generation)
                continue
            raise self._refused("watch of", path, response, raw)
        raise AssertionError("unreachable")

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = _JSON,
    ) -> Body:
        """One request and its answer.

        Raises:
            ApiError: It was refused, or not answered in time.
        """
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {} if data is None else {"Content-Type": content_type}
        for attempt in (1, 2):
            generation = self.login.generation
            try:
                async with self._session.request(
                    method,
                    self._url(path, query or {}),
                    data=data,
                    timeout=aiohttp.ClientTimeout(total=self._timeout),
                    **await self._options(headers),
                ) as response:
                    raw = await response.read()
            except NO_ANSWER as error:
                raise self._silent(method, path, error) from error
            if response.status == 401 and attempt == 1:
                await self._renew(generation)
                continue
            if response.status >= 300:
                raise self._refused(method, path, response, raw)
            answer = read_json(raw)
            if not isinstance(answer, dict):
                raise Unavailable(0, "", f"{method} {path}: the answer is no JSON object")
            return answer
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._watches.close()
        await self._session.close()

    async def _renew(self, generation: int) -> None:
        try:
            await self.login.renew(generation)
        except AutopilotError as error:
            # A kubeconfig that is being rewritten: bad for this call, not for the process.
            raise Unavailable(
                0, "", f"no new login at {shown(self.login.server)}: {error}"
            ) from error

    async def _identity(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(self._timeout):
                return await self.login.headers()
        except Exception as error:
            # Whatever a plugin or a token's file may raise; no request was made.
            why = f"no login at {shown(self.login.server)}: {say(error)}"
            raise Unavailable(0, "", why) from error

    async def _options(self, headers: dict[str, str]) -> dict[str, Any]:
        return {
            "headers": {**headers, **await self._identity()},
            "ssl": self.login.ssl,
            "proxy": self.login.proxy,
            "server_hostname": self.login.server_hostname,
            "allow_redirects": False,
        }

    def _url(self, path: str, query: Mapping[str, str]) -> URL:
        text = urlencode({key: value for key, value in query.items() if value})
        return URL(
            f"{self.login.server}{path}?{text}" if text else self.login.server + path, encoded=True
        )

    def _silent(self, method: str, path: str, error: Exception) -> Unavailable:
        why = f"no answer in {self._timeout:g} s" if isinstance(error, TimeoutError) else say(error)
        return Unavailable(0, "", f"{method} {path} at {shown(self.login.server)}: {why}")

    @staticmethod
    def _refused(method: str, path: str, response: Any, raw: bytes) -> ApiError:
        return error_of(
            response.status,
            read_json(raw),
            what=f"{method} {path}",
            after=response.headers.get("Retry-After"),
        )


def say(error: Exception) -> str:
    """What went wrong, for errors that may have no text, or more than anybody wants to know."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"can't connect: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"can't connect: {error.os_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.errno or 0
        return f"can't connect: {os.strerror(number) if number > 0 else error.strerror}"
    return str(error) or type(error).__name__
