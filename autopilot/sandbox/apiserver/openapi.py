"""OpenAPI v3 documents, one per group and version, as kubectl needs them.

kubectl looks there whether a kind's PATCH knows `fieldValidation` and `dryRun`, and `kubectl
explain` reads the schemas of custom resources. Builtin kinds have open schemas, and their PATCH
doesn't offer strategic merge *here*: so kubectl takes the merge keys from its own types.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_JSON = "application/json"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_TIME = {"type": "string", "format": "date-time"}
_ITEMS = {"type": "array", "items": {"type": "object"}}
_API_VERSION = {
    "type": "string",
    "description": "The group and version of this representation of the object.",
}
_KIND = {"type": "string", "description": "The kind of the object."}
_OBJECT_META: dict[str, Any] = {
    "type": "object",
    "description": "What every object carries beside its own fields.",
    "properties": {
        "name": {"type": "string", "description": "Unique among its kind in a namespace."},
        "generateName": {"type": "string", "description": "A prefix for a name to be made."},
        "namespace": {"type": "string"},
        "labels": {**_TEXTS, "description": "What selectors find the object by."},
        "annotations": {**_TEXTS, "description": "What tools keep on the object."},
        "uid": {"type": "string"},
        "resourceVersion": {"type": "string"},
        "generation": {"type": "integer", "format": "int64"},
        "creationTimestamp": _TIME,
        "deletionTimestamp": _TIME,
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "finalizers": {"type": "array", "items": {"type": "string"}},
        "ownerReferences": _ITEMS,
        "managedFields": _ITEMS,
    },
}
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


@dataclass(frozen=True)
class Kind:
    """One kind in one version.

    Attributes:
        group: Empty for core.
        version: Like `v1`.
        kind: Like `Widget`.
        plural: Like `widgets`.
        namespaced: Whether objects live in namespaces.
        schema: A CRD version's openAPIV3Schema; None for a builtin kind.
        subresources: Like `("status", "scale")`.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    schema: dict[str, Any] | None
    subresources: tuple[str, ...]


def openapi_v3_index(kinds: Iterable[Kind]) -> dict[str, Any]:
    """The answer to `/openapi/v3`: where each group and version's document is.

    The address holds a hash of the schemas, by which kubectl keeps its copy.
    """
    by_version: dict[str, list[Kind]] = {}
    for kind in kinds:
        by_version.setdefault(_prefix(kind.group, kind.version), []).append(kind)
    return {
        "paths": {
            prefix: {"serverRelativeURL": f"/openapi/v3/{prefix}?hash={_hash(members)}"}
            for prefix, members in sorted(by_version.items())
        }
    }


def openapi_v3_document(group: str, version: str, kinds: Iterable[Kind]) -> dict[str, Any]:
    """The document of one group and version.

    Args:
        group: Empty for core.
        version: Like `v1`.
        kinds: Any kinds; those of other groups or versions are left out.
    """
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {_META: _OBJECT_META}
    for kind in kinds:
        if (kind.group, kind.version) == (group, version):
            paths |= _paths(kind)
            schemas |= _schemas(kind)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.32.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _prefix(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _hash(kinds: list[Kind]) -> str:
    described = [[kind.kind, kind.plural, sorted(kind.subresources), kind.schema] for kind in kinds]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:32].upper()


def _component(kind: Kind) -> str:
    domain = ".".join(reversed((kind.group or "core.api.k8s.io").split(".")))
    return f"{domain}.{kind.version}.{kind.kind}"


def _gvk(kind: Kind) -> dict[str, str]:
    return {"group": kind.group, "kind": kind.kind, "version": kind.version}


def _schemas(kind: Kind) -> dict[str, Any]:
    name = _component(kind)
    schema = kind.schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    whole = {
        **schema,
        "properties": {
            **(schema.get("properties") or {}),
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": {"allOf": [_ref(_META)], "default": {}},
        },
        "x-kubernetes-group-version-kind": [_gvk(kind)],
    }
    listed = {
        "type": "object",
        "description": f"{kind.kind}List is a list of {kind.kind}",
        "required": ["items"],
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": {"type": "object"},
            "items": {"type": "array", "items": _ref(name)},
        },
        "x-kubernetes-group-version-kind": [{**_gvk(kind), "kind": f"{kind.kind}List"}],
    }
    return {name: whole, f"{name}List": listed}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _paths(kind: Kind) -> dict[str, Any]:
    root = f"/{_prefix(kind.group, kind.version)}"
    scope = "/namespaces/{namespace}" if kind.namespaced else ""
    every, one = f"{root}{scope}/{kind.plural}", f"{root}{scope}/{kind.plural}/{{name}}"
    collection = {
        "get": _operation(kind, "list", listed=True),
        "post": _operation(kind, "post", write=True),
        "delete": _operation(kind, "deletecollection"),
    }
    paths: dict[str, Any] = {every: _path_item(collection, kind.namespaced, named=False)}
    if kind.namespaced:
        everywhere = {"get": _operation(kind, "list", listed=True)}
        paths[f"{root}/{kind.plural}"] = _path_item(everywhere, False, named=False)
    single = _single(kind)
    single["delete"] = _operation(kind, "delete")
    paths[one] = _path_item(single, kind.namespaced, named=True)
    if "status" in kind.subresources:
        paths[f"{one}/status"] = _path_item(_single(kind), kind.namespaced, named=True)
    return paths


def _single(kind: Kind) -> dict[str, Any]:
    return {
        "get": _operation(kind, "get"),
        "put": _operation(kind, "put", write=True),
        "patch": _operation(kind, "patch", write=True),
    }


def _path_item(operations: dict[str, Any], namespaced: bool, *, named: bool) -> dict[str, Any]:
    names = [name for name, there in (("name", named), ("namespace", namespaced)) if there]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    return {**operations, "parameters": parameters} if parameters else operations


def _operation(
    kind: Kind, action: str, *, write: bool = False, listed: bool = False
) -> dict[str, Any]:
    reference = _ref(_component(kind) + ("List" if listed else ""))
    operation: dict[str, Any] = {
        "operationId": f"{action}{kind.group.replace('.', '')}{kind.version}{kind.kind}",
        "responses": {
            "200": {"description": "OK", "content": {_JSON: {"schema": reference}}},
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(kind),
    }
    if write:
        names = _WRITE_PARAMETERS + (("force",) if action == "patch" else ())
        operation["parameters"] = [
            {
                "name": name,
                "in": "query",
                "schema": {"type": "boolean" if name == "force" else "string"},
            }
            for name in names
        ]
        types = [_JSON]
        if action == "patch":
            types = [
                "application/apply-patch+yaml",
                "application/json-patch+json",
                "application/merge-patch+json",
            ]
        operation["requestBody"] = {"content": {one: {"schema": reference} for one in types}}
    return operation
