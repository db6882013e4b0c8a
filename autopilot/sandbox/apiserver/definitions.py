"""CustomResourceDefinitions at work: a kind is served as soon as its definition is stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import crdrules
from autopilot.sandbox.apiserver.kinds import VERBS, Kind, ScalePaths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.sandbox.apiserver.core import Core
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.history import Change

LINGER = 3.0
"""Seconds that watches of a kind stay open after its definition is gone.

A client that hears of the definition's end first can stop by itself; one whose watch just ends
meets a 404, which kills some of them."""


def kinds_of(definition: Body) -> Iterator[Kind]:
    """The kinds that a definition serves, the storage version first."""
    spec = definition["spec"]
    names, group = spec["names"], spec["group"]
    versions = sorted(spec["versions"], key=lambda version: not version.get("storage"))
    stored_as = f"{group}/{versions[0]['name']}"
    for version in versions:
        if not version.get("served", True):
            continue
        yield _kind(spec, names, version, stored_as)


def _kind(spec: Body, names: Body, version: Body, stored_as: str) -> Kind:
    from autopilot.sandbox.apiserver.schema import Structural

    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    subresources: Body = version.get("subresources") or {}
    selectable = version.get("selectableFields") or []
    return Kind(
        spec["group"],
        version["name"],
        names["kind"],
        names["plural"],
        spec["scope"] == "Namespaced",
        names["singular"],
        f"{names['plural']}.{spec['group']}",
        names["listKind"],
        tuple(names.get("shortNames") or ()),
        tuple(names.get("categories") or ()),
        VERBS,
        frozenset(name for name in ("status", "scale") if name in subresources),
        generation=True,
        custom=True,
        schema=schema,
        columns=version.get("additionalPrinterColumns"),
        selectable=frozenset(one["jsonPath"].lstrip(".") for one in selectable),
        scale=_scale(subresources.get("scale")),
        structural=Structural(schema) if schema else None,
        stored_as=stored_as,
    )


def _scale(paths: Any) -> ScalePaths | None:
    if not isinstance(paths, dict):
        return None
    return ScalePaths(
        paths.get("specReplicasPath", ".spec.replicas"),
        paths.get("statusReplicasPath", ".status.replicas"),
        paths.get("labelSelectorPath", ""),
    )


class Definitions:
    """Keeps the registry in step with the definitions."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def notice(self, change: Change) -> None:
        """Serve, change or end a kind; called at each write."""
        if change.storage != crdrules.STORAGE:
            return
        body = change.entry.body
        resource = body["metadata"]["name"]
        before = None if change.before is None else change.before.body["spec"]
        if change.type == "DELETED":
            self._core.registry.remove(resource)
            self._end_watches(resource)
        elif before != body["spec"]:
            self._core.registry.remove(resource)
            for kind in kinds_of(body):
                self._core.registry.add(kind)

    def _end_watches(self, storage: str) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        watchers = self._core.database.shelf(storage).watchers
        for watcher in watchers.copy():
            loop.call_later(LINGER, watcher.close)
