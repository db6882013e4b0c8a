"""CustomResourceDefinitions as objects: their defaults, and what is refused of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver.causes import Cause

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.encoding import Body

STORAGE = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def fill(body: Body, now: str) -> Body:
    """A definition with its defaults and the conditions of one that is served."""
    spec = dict(body.get("spec") or {})
    names = dict(spec.get("names") or {})
    kind = str(names.get("kind", ""))
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    spec["names"] = names
    spec.setdefault("conversion", {"strategy": "None"})
    status = dict(body.get("status") or {})
    versions = [v for v in spec.get("versions") or () if isinstance(v, dict)]
    stored = list(status.get("storedVersions") or ())
    stored += [v["name"] for v in versions if v.get("storage") and v.get("name") not in stored]
    status |= {"acceptedNames": names, "storedVersions": stored}
    status.setdefault(
        "conditions",
        [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
            _condition(
                "Established", "InitialNamesAccepted", "the initial names have been accepted", now
            ),
        ],
    )
    return {**body, "spec": spec, "status": status}


def _condition(type_: str, reason: str, message: str, now: str) -> Body:
    return {
        "type": type_,
        "status": "True",
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def terminating(body: Body, now: str) -> Body:
    """A definition that is being deleted says so."""
    status = dict(body.get("status") or {})
    kept = [c for c in status.get("conditions") or () if c.get("type") != "Terminating"]
    why = "CustomResource deletion is in progress"
    condition = _condition("Terminating", "InstanceDeletionInProgress", why, now)
    return {**body, "status": {**status, "conditions": [*kept, condition]}}


def _required(field: str) -> Cause:
    return Cause(field, "FieldValueRequired", "Required value")


def _wrong(field: str, value: Any, why: str) -> Cause:
    return Cause(field, "FieldValueInvalid", f'Invalid value: "{value}": {why}')


def faults(body: Body, before: Body | None) -> list[Cause]:
    """What is wrong with a definition."""
    spec = body.get("spec") or {}
    names = spec.get("names") or {}
    found = [_required(f"spec.{field}") for field in ("group", "scope") if not spec.get(field)]
    found += [
        _required(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field)
    ]
    if spec.get("scope") not in (None, "", "Namespaced", "Cluster"):
        why = f'Unsupported value: "{spec["scope"]}": supported values: "Cluster", "Namespaced"'
        found.append(Cause("spec.scope", "FieldValueNotSupported", why))
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if not found and body["metadata"].get("name") != wanted:
        why = 'must be spec.names.plural+"."+spec.group'
        found.append(_wrong("metadata.name", body["metadata"].get("name"), why))
    found += _version_faults(spec.get("versions"))
    old = (before or {}).get("spec") or {}
    for field in ("group", "scope"):
        if before is not None and old.get(field) != spec.get(field):
            found.append(_wrong(f"spec.{field}", spec.get(field), "field is immutable"))
    return found


def _version_faults(versions: Any) -> list[Cause]:
    if not isinstance(versions, list) or not versions:
        return [_required("spec.versions")]
    found = []
    for index, version in enumerate(versions):
        here = f"spec.versions[{index}]"
        if not isinstance(version, dict) or not version.get("name"):
            found.append(_required(f"{here}.name"))
            continue
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not isinstance(schema, dict):
            why = "Required value: schemas are required"
            found.append(Cause(f"{here}.schema.openAPIV3Schema", "FieldValueRequired", why))
        elif fault := _schema_fault(schema, f"{here}.schema.openAPIV3Schema"):
            found.append(fault)
        elif schema.get("type") != "object":
            why = 'Invalid value: must be "object" at the root'
            found.append(Cause(f"{here}.schema.openAPIV3Schema.type", "FieldValueInvalid", why))
    if sum(bool(isinstance(v, dict) and v.get("storage")) for v in versions) != 1:
        why = "must have exactly one version marked as storage version"
        found.append(Cause("spec.versions", "FieldValueInvalid", f"Invalid value: {why}"))
    return found


def _schema_fault(schema: Any, path: str) -> Cause | None:
    """The first node of a schema that has the wrong shape, or None."""
    if not isinstance(schema, dict):
        return Cause(path, "FieldValueTypeInvalid", "Invalid value: must be an object")
    for name, type_ in (("properties", dict), ("required", list), ("enum", list), ("type", str)):
        if not isinstance(schema.get(name, type_()), type_):
            why = f"Invalid value: must be of type {type_.__name__}"
            return Cause(f"{path}.{name}", "FieldValueTypeInvalid", why)
    below = {f"properties[{key}]": node for key, node in schema.get("properties", {}).items()}
    below |= {"items": schema["items"]} if "items" in schema else {}
    if isinstance(schema.get("additionalProperties"), dict):
        below["additionalProperties"] = schema["additionalProperties"]
    faults_ = (_schema_fault(node, f"{path}.{step}") for step, node in below.items())
    return next((fault for fault in faults_ if fault is not None), None)
