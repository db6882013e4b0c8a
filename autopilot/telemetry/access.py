"""How to reach a source that a resource names: its URL, and what its Secret may hold."""

from __future__ import annotations

import base64
import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = ("url", "ca.crt", "token", "username", "password", "tenant")
"""What a source's Secret may hold; only `url` must be there.

`ca.crt` is PEM and then the only authority that the server's certificate is checked against;
`token` is sent as a bearer; `username` and `password` as basic authorisation; `tenant` as
`X-Scope-OrgID` (Mimir, Cortex and the like).
"""

LONGEST_URL = 2_000
_LONGEST = 65_536
_UNSAFE_URL = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\\"<>^`{|}]")
_UNSAFE_HEADER = re.compile(r"[\x00-\x1f\x7f-\U0010ffff]")
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


class BadSource(ValueError):
    """A source can't or mustn't be asked; the message says why and never holds a credential."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a source is and how to log in there.

    Attributes:
        url: Checked, without a slash at its end; may have a path before `/api/v1`.
        ca: PEM; empty for the machine's own authorities.
        headers: Sent with each query, never anywhere else.
    """

    url: str
    ca: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def access_of(secret: Mapping[str, str]) -> Access:
    """Read a source's Secret (its `data`, decoded); see `KEYS`.

    Raises:
        BadSource: Something is missing, contradicts itself or isn't known.
    """
    unknown = sorted(set(secret) - set(KEYS))
    if unknown:
        hint = ""
        if any("insecure" in name.lower() or "skip" in name.lower() for name in unknown):
            hint = "; a certificate is always checked, against ca.crt if given"
        raise BadSource(f"key {unknown[0][:60]!r} isn't known; keys are {', '.join(KEYS)}{hint}")
    given = {name: text for name, text in secret.items() if name != "ca.crt"}
    given = {name: text.strip("\r\n") for name, text in given.items()}
    for name, text in given.items():
        if name not in {"url", "password"} and _UNSAFE_HEADER.search(text):
            raise BadSource(f"{name} holds a character that can't be sent in a header")
        if len(text) > _LONGEST:
            raise BadSource(f"{name} is longer than {_LONGEST} characters")
    if not given.get("url"):
        raise BadSource("has no url")
    basic = "username" in given or "password" in given
    if basic and not ("username" in given and "password" in given):
        raise BadSource("username and password come together")
    if basic and "token" in given:
        raise BadSource("has a token and a password; one of them")
    if basic and ":" in given["username"]:
        raise BadSource("username holds a colon")
    return Access(check_url(given["url"]), _authority(secret.get("ca.crt", "")), _headers(given))


def _headers(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    headers = []
    if token := given.get("token"):
        headers.append(("Authorization", f"Bearer {token}"))
    if "username" in given:
        pair = f"{given['username']}:{given['password']}".encode()
        headers.append(("Authorization", f"Basic {base64.b64encode(pair).decode()}"))
    if tenant := given.get("tenant"):
        headers.append(("X-Scope-OrgID", tenant))
    return tuple(headers)


def _authority(pem: str) -> str:
    if not pem.strip():
        return ""
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise BadSource("ca.crt is no certificate in PEM") from None
    return pem


def check_tenant(tenant: str) -> tuple[tuple[str, str], ...]:
    """The header for a tenant that stands in a resource; none for an empty one.

    Raises:
        BadSource: It can't be sent.
    """
    if _UNSAFE_HEADER.search(tenant) or len(tenant) > 150:
        raise BadSource("tenant holds a character that can't be sent in a header")
    return (("X-Scope-OrgID", tenant),) if tenant else ()


def check_url(url: str) -> str:
    """Check a source's URL and cut the slash at its end off.

    Whatever two parsers might read differently is refused, so that the host that is checked is
    the one that is asked.

    Raises:
        BadSource: It can't be used; the message doesn't repeat it, as it may hold a password.
    """
    if len(url) > LONGEST_URL or _UNSAFE_URL.search(url):
        raise BadSource("url holds a character that no URL holds, or is too long")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadSource("url can't be read") from None
    if parts.scheme not in {"http", "https"}:
        raise BadSource("url begins with neither http:// nor https://")
    if "@" in parts.netloc:
        raise BadSource("url holds a user's name or password; put them into a Secret")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise BadSource("url holds a query or a fragment")
    if "/../" in f"{parts.path}/" or "/./" in f"{parts.path}/" or port == 0:
        raise BadSource("url can't be read")
    if not _is_host(parts.hostname or ""):
        raise BadSource("url has no host")
    return url.rstrip("/")


def host_of(url: str) -> str:
    """A URL's host: lower case, without port, brackets and the dot at its end."""
    return (urlsplit(url).hostname or "").rstrip(".")


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    return bool(_HOST.fullmatch(host.rstrip(".").lower()))
