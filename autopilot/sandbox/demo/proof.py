"""Proof that an object is as it was: what differs between two bodies of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autopilot.kube.client import Body

PARTS = ("spec", "labels", "annotations", "field owners")


def differences(before: Body, after: Body) -> list[str]:
    """Which of spec, labels, annotations and field owners differ, each in a line; none is good.

    The times at which owners wrote are left out: everything that they own is compared.
    """
    return [
        f"{part}: {_part(before, part)!r} became {_part(after, part)!r}"
        for part in changed(before, after)
    ]


def changed(before: Body, after: Body) -> list[str]:
    """The parts that differ."""
    return [part for part in PARTS if _part(before, part) != _part(after, part)]


def owners(body: Body) -> list[str]:
    """Who owns fields of an object."""
    return [str(entry.get("manager", "")) for entry in body["metadata"].get("managedFields") or ()]


def _part(body: Body, part: str) -> Any:
    metadata = body["metadata"]
    if part == "spec":
        return body.get("spec")
    if part == "field owners":
        return [
            {key: value for key, value in entry.items() if key != "time"}
            for entry in metadata.get("managedFields") or ()
        ]
    return metadata.get(part) or {}
