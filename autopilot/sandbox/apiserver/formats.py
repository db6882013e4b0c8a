"""String formats of CRD schemas, and Go's regular expressions read as Python's."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import uuid
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_POSIX = {
    "[:alnum:]": "0-9A-Za-z",
    "[:alpha:]": "A-Za-z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:space:]": r"\s",
    "[:word:]": r"\w",
    "[:xdigit:]": "0-9A-Fa-f",
    "[:punct:]": r"!-/:-@\[-`{-~",
}
_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
_DURATION = re.compile(r"[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w))+)\Z")
_HOSTNAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*\Z"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\Z")
_MAC = re.compile(r"([0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(\2[0-9A-Fa-f]{2}){4})\Z")
_HEX_COLOUR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")


def go_regex(pattern: str) -> re.Pattern[str] | None:
    """Compile a pattern of Go's RE2 syntax; None where Python can't express it.

    `$` is the very end of the text, classes like that of digits are ASCII, POSIX classes are
    spelt out.
    """
    for name, members in _POSIX.items():
        pattern = pattern.replace(name, members)
    out, in_class, index = [], False, 0
    while index < len(pattern):
        char = pattern[index]
        if char == "\\" and index + 1 < len(pattern):
            pair = pattern[index : index + 2]
            out.append(r"\Z" if pair == r"\z" else pair)
            index += 2
            continue
        if char == "[" and in_class:
            char = r"\["
        elif char == "[":
            in_class = True
            if pattern[index + 1 : index + 2] == "]":
                out.append(r"[\]")
                index += 2
                continue
        elif char == "]":
            in_class = False
        elif char == "$" and not in_class:
            char = r"\Z"
        out.append(char)
        index += 1
    try:
        return re.compile("".join(out), re.ASCII)
    except re.error:
        return None


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return holds


def _date(text: str) -> bool:
    return _DATE.match(text) is not None and _parses(date.fromisoformat)(text)


def _date_time(text: str) -> bool:
    match = _DATE_TIME.match(text)
    return match is not None and _date(match.group(1))


def _base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def _uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.match(text) is not None


FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _date_time,
    "datetime": _date_time,
    "date": _date,
    "duration": _matches(_DURATION),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "ip": _parses(ipaddress.ip_address),
    "cidr": lambda text: "/" in text and _parses(lambda t: ipaddress.ip_network(t, False))(text),
    "hostname": _matches(_HOSTNAME),
    "email": _matches(_EMAIL),
    "mac": _matches(_MAC),
    "uuid": _parses(uuid.UUID),
    "byte": _base64,
    "uri": _uri,
    "hexcolor": _matches(_HEX_COLOUR),
}
"""The formats that are checked; any other is a remark, as on the real server."""

INTEGER_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
"""The least and the greatest number of an integer format."""
