"""An Event's reason and message in the form that the API accepts. Pure."""

from __future__ import annotations

import re

MESSAGE_LIMIT = 1024
"""Bytes of a message, by the API's validation."""

_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,127}")


def camel_case(reason: str) -> str:
    """A reason in the form that the API's conventions ask for."""
    if _REASON.fullmatch(reason):
        return reason
    words = re.findall(r"[A-Za-z0-9]+", reason)
    joined = "".join(word[0].upper() + word[1:] for word in words)
    return (joined if joined[:1].isalpha() else f"Reason{joined}")[:128]


def cut(message: str) -> str:
    """A message within the API's limit, with an ellipsis where it was cut."""
    raw = message.encode()
    if len(raw) <= MESSAGE_LIMIT:
        return message
    return raw[: MESSAGE_LIMIT - 3].decode(errors="ignore") + "..."
