"""An object, a list or an event in the form that a client asked for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver.core import shown
from autopilot.sandbox.apiserver.encoding import Body, dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.base.clock import Clock
    from autopilot.sandbox.apiserver.history import Entry
    from autopilot.sandbox.apiserver.kinds import Kind


class View:
    """Renders objects of a kind.

    Args:
        shape: "", `Table` or `PartialObjectMetadata`.
        include: For tables: `None`, `Metadata` or `Object`.
        clock: For tables' ages: each event of a watch has its own.
    """

    def __init__(self, kind: Kind, shape: str, include: str, clock: Clock) -> None:
        self.kind = kind
        self.shape = shape
        self._include = include or "Metadata"
        self._clock = clock

    def sees_raw(self, entry: Entry) -> bool:
        """Whether the stored bytes are what the client wants."""
        return not self.shape and self.kind.api_version == entry.body["apiVersion"]

    def of_entry(self, entry: Entry) -> bytes:
        """A stored object; its stored bytes wherever they will do."""
        if self.sees_raw(entry):
            return entry.raw
        return dumps(self.of_body(shown(self.kind, entry.body)))

    def of_body(self, body: Body) -> Body:
        """An object in the kind's version."""
        if not self.shape or body["apiVersion"] != self.kind.api_version:
            return body
        if self.shape == "Table":
            return self._table([body], body["metadata"].get("resourceVersion", ""))
        from autopilot.sandbox.apiserver.table import partial_metadata

        return partial_metadata(body)

    def of_list(self, entries: Sequence[Entry], metadata: Body) -> bytes:
        """A list with its metadata (resourceVersion, continue)."""
        kind = self.kind
        if self.shape == "Table":
            bodies = [shown(kind, entry.body) for entry in entries]
            table = self._table(bodies, metadata["resourceVersion"])
            return dumps({**table, "metadata": metadata})
        if self.shape:
            from autopilot.sandbox.apiserver.table import partial_metadata_list

            items = [shown(kind, entry.body) for entry in entries]
            return dumps(partial_metadata_list({"metadata": metadata, "items": items}))
        head = dumps({"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata})
        items_raw = b",".join([self.of_entry(entry) for entry in entries])
        return b'%b,"items":[%b]}\n' % (head[:-1], items_raw)

    def bookmark(self, version: int, *, initial: bool = False) -> bytes:
        """A bookmark event; `initial` marks the end of a watch's first events."""
        metadata: Body = {"resourceVersion": str(version), "creationTimestamp": None}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind = self.kind
        body: Body = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        if self.shape == "Table":
            body = self._table([], str(version))
            if initial:
                body["metadata"] = metadata
        elif self.shape:
            body = {**body, "kind": self.shape, "apiVersion": "meta.k8s.io/v1"}
        return dumps({"type": "BOOKMARK", "object": body}) + b"\n"

    def _table(self, bodies: list[Body], version: str) -> Body:
        from autopilot.sandbox.apiserver.table import render_table

        return render_table(
            _columns(self.kind),
            bodies,
            now=self._clock.now(),
            include_object=self._include,
            resource_version=version,
        )


@lru_cache(maxsize=256)
def _columns(kind: Kind) -> Any:
    from autopilot.sandbox.apiserver.table import columns_for

    return columns_for(kind.group, kind.plural, kind.columns)
