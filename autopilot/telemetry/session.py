"""HTTP under the Prometheus source: deadlines, redirects, and whose certificates are trusted."""

from __future__ import annotations

import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_ANSWER = 32 * 1024 * 1024
_CHUNK = 64 * 1024


class TooLarge(requests.exceptions.ContentDecodingError):
    """An answer is longer than anybody here would read."""


class Session(requests.Session):
    """Reads a whole answer before a deadline (requests bounds only each wait), and keeps it.

    Attributes:
        follows: Whether redirects are followed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.follows = True
        self._local = threading.local()

    @property
    def last(self) -> requests.Response | None:
        """This thread's last answer."""
        return getattr(self._local, "last", None)

    def start(self, deadline: float) -> None:
        """Begin an exchange of this thread."""
        self._local.deadline = deadline
        self._local.last = None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send one request; redirects come through here as well."""
        if not self.follows:
            kwargs["allow_redirects"] = False
        response = super().send(request, **{**kwargs, "stream": True})
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > LARGEST_ANSWER:
                response.close()
                raise TooLarge("the answer is too large")
            if time.monotonic() > self._local.deadline:
                response.close()
                raise requests.exceptions.ReadTimeout("the answer took too long")
        response._content = bytes(body)
        self._local.last = response
        return response


class OnlyThese(AuthBase):
    """Sends these headers and nothing else that logs in.

    A session without an `auth` looks into the user's `.netrc`, and what it finds there for the
    host takes the place of any header.
    """

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        self._headers = tuple(headers)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the headers; text of any alphabet goes as UTF-8."""
        for name, value in self._headers:
            request.headers[name] = value
        return request


class Trusting(HTTPAdapter):
    """Checks servers' certificates against one authority alone.

    `verify=` of requests takes a file, not text, and an environment variable overrides it.
    """

    def __init__(self, ca: str, **kwargs: Any) -> None:
        self._context = ssl.create_default_context(cadata=ca)
        super().__init__(**kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context has all that it takes; the machine's own authorities aren't added."""

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """The host, and our context."""
        host, _ = super().build_connection_pool_key_attributes(request, True)
        return host, {"ssl_context": self._context}
