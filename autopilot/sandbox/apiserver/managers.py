"""The managers of an object's fields: `metadata.managedFields` read, changed and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver.fieldset import difference, union

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.sandbox.apiserver.fieldset import Node

APPLY = "Apply"
UPDATE = "Update"
MAX_UPDATERS = 10
"""Beyond this many entries of updates, the oldest are put together under `ANCIENT`."""
ANCIENT = "ancient-changes"


@dataclass(frozen=True, slots=True)
class Writer:
    """Who owns fields: a manager, by one operation, on one subresource.

    Attributes:
        manager: The name.
        operation: `Apply` or `Update`.
        api_version: As written; two updaters that differ in it are two.
        subresource: Empty for the object itself.
    """

    manager: str
    operation: str
    api_version: str
    subresource: str = ""

    def key(self) -> tuple[str, str, str, str]:
        """What tells writers apart: an applier's API version doesn't."""
        version = "" if self.operation == APPLY else self.api_version
        return self.manager, self.operation, version, self.subresource

    def __str__(self) -> str:
        where = f' with subresource "{self.subresource}"' if self.subresource else ""
        using = f" using {self.api_version}" if self.operation == UPDATE else ""
        return f'"{self.manager}"{where}{using}'


@dataclass(slots=True)
class Entry:
    """One writer's fields, and when they last changed."""

    writer: Writer
    fields: Node
    time: str


class Managers:
    """All entries of one object. Trees of fields are shared and never mutated."""

    __slots__ = ("_entries",)

    def __init__(self, obj: dict[str, Any] | None) -> None:
        self._entries: dict[tuple[str, str, str, str], Entry] = {}
        for raw in ((obj or {}).get("metadata") or {}).get("managedFields") or ():
            writer = Writer(
                raw.get("manager", ""),
                raw.get("operation", ""),
                raw.get("apiVersion", ""),
                raw.get("subresource", ""),
            )
            if writer.operation in {APPLY, UPDATE}:
                fields = raw.get("fieldsV1") or {}
                self._entries[writer.key()] = Entry(writer, fields, raw.get("time", ""))

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def fields(self, writer: Writer) -> Node:
        """A writer's fields; empty for a writer without an entry."""
        entry = self._entries.get(writer.key())
        return entry.fields if entry else {}

    def fields_of_others(self, writer: Writer) -> Node:
        """The fields that anybody else owns."""
        owned: Node = {}
        for key, entry in self._entries.items():
            if key != writer.key():
                owned = union(owned, entry.fields)
        return owned

    def put(self, writer: Writer, fields: Node, now: str) -> None:
        """Set a writer's fields, with the time; a writer without fields loses the entry."""
        if fields:
            self._entries[writer.key()] = Entry(writer, fields, now)
        else:
            self._entries.pop(writer.key(), None)

    def take(self, fields: Node) -> None:
        """Take fields from all entries; what is left keeps its time."""
        for key, entry in list(self._entries.items()):
            left = difference(entry.fields, fields)
            if left:
                entry.fields = left
            else:
                del self._entries[key]

    def merge_oldest_updates(self) -> None:
        """Keep at most `MAX_UPDATERS` entries of updates."""
        updates = [entry for entry in self if entry.writer.operation == UPDATE]
        if len(updates) <= MAX_UPDATERS:
            return
        updates.sort(key=lambda entry: entry.time)
        for entry in updates[: len(updates) - MAX_UPDATERS + 1]:
            del self._entries[entry.writer.key()]
            bucket = Writer(ANCIENT, UPDATE, entry.writer.api_version)
            self.put(bucket, union(self.fields(bucket), entry.fields), entry.time)

    def write_to(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The object with these managedFields; the object itself where they are the same."""
        entries = sorted(
            self._entries.values(),
            key=lambda one: (one.writer.operation, one.time, one.writer.key()),
        )
        raw = [_raw(entry) for entry in entries]
        metadata = obj.get("metadata") or {}
        if metadata.get("managedFields", []) == raw and (raw or "managedFields" not in metadata):
            return obj
        metadata = {key: value for key, value in metadata.items() if key != "managedFields"}
        if raw:
            metadata["managedFields"] = raw
        return {**obj, "metadata": metadata}


def _raw(entry: Entry) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "manager": entry.writer.manager,
        "operation": entry.writer.operation,
        "apiVersion": entry.writer.api_version,
    }
    if entry.time:
        raw["time"] = entry.time
    raw |= {"fieldsType": "FieldsV1", "fieldsV1": entry.fields}
    if entry.writer.subresource:
        raw["subresource"] = entry.writer.subresource
    return raw
