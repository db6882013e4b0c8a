"""The kinds that a flight's API has to serve besides the built-in ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver.errors import ApiError
from autopilot.sandbox.mesh.crds import crds as mesh_crds
from autopilot.spec.crd import crd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autopilot.kube.kinds import ResourceType
    from autopilot.project.load import Project
    from autopilot.runtime.definition import OperatorDefinition
    from autopilot.sandbox.apiserver.store import Store

Body = dict[str, Any]

_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def install(
    store: Store, definitions: Sequence[OperatorDefinition], project: Project | None
) -> None:
    """Make the mesh's kinds, the operators' own, and whatever else they name."""
    for body in mesh_crds():
        store.create(body)
    if project is not None:
        for operator, definition in zip(project.operators, definitions, strict=True):
            store.create(crd(operator, definition.spec, definition.status))
    for kind in _named(definitions):
        if not _served(store, kind):
            store.create(_open_crd(kind))


def _named(definitions: Iterable[OperatorDefinition]) -> Iterable[ResourceType]:
    for definition in definitions:
        yield definition.kind
        last = (definition.finalizer,) if definition.finalizer else ()
        for phase in (*definition.phases, *last):
            yield from (one.kind for one in phase.inputs)
            yield from (one.kind for one in phase.outputs)


def _served(store: Store, kind: ResourceType) -> bool:
    try:
        store.kind(kind.qualified)
    except ApiError:
        return False
    return True


def _open_crd(kind: ResourceType) -> Body:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.qualified},
        "spec": {
            "group": kind.group,
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": _OPEN},
                }
            ],
        },
    }
