"""A CustomResourceDefinition from two pydantic models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.spec.schema import structural

if TYPE_CHECKING:
    from pydantic import BaseModel

    from autopilot.spec.project import OperatorSpec

Schema = dict[str, Any]

_TIME: Schema = {"type": "string", "format": "date-time"}
_COUNT: Schema = {"type": "integer", "format": "int64"}


def _text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def runtime_status(phases: list[str]) -> dict[str, Schema]:
    """The status fields that the runtime keeps, whatever the operator."""
    condition = {
        "type": "object",
        "required": ["type", "status"],
        "properties": {
            "type": _text(),
            "status": _text(enum=["True", "False", "Unknown"]),
            "reason": _text(),
            "message": _text(),
            "lastTransitionTime": dict(_TIME),
            "observedGeneration": dict(_COUNT),
        },
    }
    visit = {
        "type": "object",
        "required": ["phase", "at"],
        "properties": {
            "phase": _text(),
            "at": dict(_TIME),
            "reason": _text(),
            "message": _text(),
        },
    }
    return {
        "phase": _text(f"The present phase: {', '.join(phases)}."),
        "phaseSince": {**_TIME, "description": "When that phase was entered."},
        "observedGeneration": {**_COUNT, "description": "The generation that was last worked on."},
        "conditions": {
            "type": "array",
            "description": "Ready, Stalled and others, as kstatus reads them.",
            "items": condition,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
        "phaseHistory": {
            "type": "array",
            "description": "The last phases, the newest last.",
            "maxItems": 20,
            "items": visit,
            "x-kubernetes-list-type": "atomic",
        },
        "nextTick": {**_TIME, "description": "When the timer fires next."},
    }


def crd(operator: OperatorSpec, spec: type[BaseModel], status: type[BaseModel]) -> dict[str, Any]:
    """The CustomResourceDefinition of an operator's kind.

    Args:
        operator: Kind, group, version and phases.
        spec: The author's model of the spec.
        status: The author's model of the status; the runtime's fields are put beside it.

    Raises:
        NotStructural: A model has a type that Kubernetes can't check.
    """
    spec_schema = structural(spec)
    status_schema = without_defaults(structural(status))
    kept = runtime_status([phase.name for phase in operator.phases])
    status_schema["properties"] = {**kept, **status_schema.get("properties", {})}
    status_schema.pop("required", None)
    # What a worker wrote under an older model must survive until a worker writes it anew.
    status_schema["x-kubernetes-preserve-unknown-fields"] = True
    names: dict[str, Any] = {
        "kind": operator.kind,
        "listKind": f"{operator.kind}List",
        "plural": operator.plural,
        "singular": operator.kind.lower(),
        "categories": ["autopilot"],
    }
    required = ["spec"] if spec_schema.get("required") else []
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{operator.plural}.{operator.group}"},
        "spec": {
            "group": operator.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [_version(operator, spec_schema, status_schema, required)],
        },
    }


def without_defaults(schema: Schema) -> Schema:
    """A schema by which the API server writes nothing by itself: the models know the defaults."""
    result = {key: value for key, value in schema.items() if key != "default"}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = without_defaults(result[key])
    if "properties" in result:
        result["properties"] = {k: without_defaults(v) for k, v in result["properties"].items()}
    return result


def _version(
    operator: OperatorSpec, spec: Schema, status: Schema, required: list[str]
) -> dict[str, Any]:
    ready = '.status.conditions[?(@.type=="Ready")]'
    root: Schema = {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }
    if required:
        root["required"] = required
    return {
        "name": operator.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
            {"name": "Reason", "type": "string", "jsonPath": f"{ready}.reason"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        "schema": {"openAPIV3Schema": root},
    }
