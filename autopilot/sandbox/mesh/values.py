"""Istio's scalar values, as Envoy spells them."""

from __future__ import annotations

from typing import Any

from autopilot.base import durations

Body = dict[str, Any]


class Wrong(ValueError):
    """A value that Istio's own validation refuses; the message says which and why."""


def duration(text: str) -> str:
    """`1m30s` as Envoy's JSON has it: `90s`.

    Raises:
        Wrong: It isn't a duration.
    """
    try:
        seconds = durations.parse(str(text)).total_seconds()
    except ValueError as error:
        raise Wrong(str(error)) from error
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def percent(value: Body | None) -> Body:
    """Istio's `{value: 12.5}` as a fraction; an empty one is none, as protobuf's zero says."""
    share = float((value or {}).get("value", 0) or 0)
    if not 0 <= share <= 100:
        raise Wrong(f"a percentage is between 0 and 100, not {share:g}")
    if share == int(share):
        return {"numerator": int(share), "denominator": "HUNDRED"}
    return {"numerator": round(share * 10_000), "denominator": "MILLION"}


def string_match(match: Body) -> Body | None:
    """`{exact|prefix|regex: text}`; None for an empty one, which only asks for presence."""
    for kind in ("exact", "prefix"):
        if kind in match:
            return {kind: match[kind]}
    if "regex" in match:
        return {"safe_regex": {"regex": match["regex"]}}
    return None


def namespace_of(body: Body) -> str:
    """An object's namespace."""
    return str(body["metadata"].get("namespace") or "default")


def title_of(body: Body) -> str:
    """An object, for people."""
    return f"{body.get('kind', '')} {namespace_of(body)}/{body['metadata'].get('name', '')}"
