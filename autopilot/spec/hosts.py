"""Which hosts an installation allows its rules to name: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

_PORTS = {"http": 80, "https": 443}


def place_of(url: str) -> tuple[str, int]:
    """The host and port that a URL leads to.

    Raises:
        ValueError: It is no http or https URL.
    """
    parts = urlsplit(url)
    host, scheme = (parts.hostname or "").rstrip("."), parts.scheme.lower()
    if scheme not in _PORTS or not host:
        raise ValueError("it is no http or https URL")
    # Raises for a port that is none.
    return host.lower(), parts.port or _PORTS[scheme]


def allows(allowed: Iterable[str], url: str) -> bool:
    """Whether a URL leads to one of the allowed hosts.

    Args:
        allowed: As `allowedHosts` spells them: `HOST`, `HOST:PORT`, `*.DOMAIN` or `*`.
        url: What somebody wrote; one that makes no sense is never allowed.
    """
    try:
        host, port = place_of(url)
    except ValueError:
        return False
    return any(_fits(entry.lower(), host, port) for entry in allowed)


def _fits(entry: str, host: str, port: int) -> bool:
    name, wanted = _split(entry)
    if wanted is not None and wanted != port:
        return False
    if name == "*":
        return True
    if name.startswith("*."):
        return host.endswith(name[1:]) and host != name[1:]
    return host == name


def _split(entry: str) -> tuple[str, int | None]:
    """Host and port of an entry; an IPv6 address stands in brackets."""
    if entry.startswith("["):
        address, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
        return address, int(port) if port.isdigit() else None
    name, _, port = entry.partition(":")
    return name.rstrip("."), int(port) if port.isdigit() else None
