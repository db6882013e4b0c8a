"""What a worker wants to own, read from its `Outputs` and checked: pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.runtime import reasons
from autopilot.runtime.inputs import Item
from autopilot.runtime.refused import Refused
from autopilot.runtime.result import UNCHANGED, Keep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.runtime.definition import Output, PhaseDefinition

_SERVERS = ("uid", "resourceVersion", "managedFields", "creationTimestamp", "generation")
"""Metadata that only an API server gives: who returns it returns something it was given."""

_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")


@dataclass(frozen=True, slots=True)
class OutputSet:
    """All objects of one kind that the resource shall own.

    Attributes:
        output: The declaration.
        bodies: Each with apiVersion, kind, name and namespace; empty prunes the kind.
        kept: Names of those that stay as they are.
    """

    output: Output
    bodies: tuple[dict[str, Any], ...]
    kept: tuple[str, ...] = ()


def read_outputs(phase: PhaseDefinition, outputs: object, namespace: str) -> tuple[OutputSet, ...]:
    """The kinds that a worker spoke of; those left unchanged aren't in it.

    Args:
        phase: Whose worker.
        outputs: A generated `Outputs`, or a map by attribute.
        namespace: The resource's own; empty for a cluster-scoped one.

    Raises:
        Refused: A kind isn't declared, or a body isn't allowed.
    """
    if outputs is None:
        return ()
    declared = {output.attribute: output for output in phase.outputs}
    found = []
    for attribute, value in _named(outputs):
        if value is None or value is UNCHANGED:
            continue
        output = declared.get(attribute)
        if output is None:
            names = ", ".join(declared) or "none"
            raise Refused(
                reasons.UNDECLARED_OUTPUT,
                f"{phase.name} returned the output {attribute!r}, which it doesn't declare "
                f"(declared: {names})",
            )
        found.append(_set(output, value, namespace))
    return tuple(found)


def _named(outputs: object) -> Iterator[tuple[str, Any]]:
    if isinstance(outputs, Mapping):
        yield from outputs.items()
    elif dataclasses.is_dataclass(outputs):
        for field in dataclasses.fields(outputs):
            yield field.name, getattr(outputs, field.name)
    else:
        raise Refused(
            reasons.INVALID_OUTPUT,
            f"outputs is an Outputs of the phase, not {type(outputs).__name__}",
        )


def _set(output: Output, value: object, namespace: str) -> OutputSet:
    if isinstance(value, str | Mapping) or not isinstance(value, list | tuple):
        raise Refused(
            reasons.INVALID_OUTPUT,
            f"outputs.{output.attribute} is a list: the whole set of that kind",
        )
    kept = tuple(entry.name for entry in value if isinstance(entry, Keep))
    bodies = tuple(
        _body(output, entry, namespace) for entry in value if not isinstance(entry, Keep)
    )
    names = [body["metadata"]["name"] for body in bodies]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(
            reasons.INVALID_OUTPUT, f"outputs.{output.attribute} names {', '.join(twice)} twice"
        )
    return OutputSet(output, bodies, kept)


def _body(output: Output, entry: object, namespace: str) -> dict[str, Any]:
    where = f"outputs.{output.attribute}"
    if not isinstance(entry, Mapping):
        raise Refused(reasons.INVALID_OUTPUT, f"{where} holds a {type(entry).__name__}")
    body = Item(entry).thaw()
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise Refused(reasons.INVALID_OUTPUT, f"{where} holds a body without metadata.name")
    name = metadata["name"]
    _check_intent(f"{where} {name}", body)
    if not _NAME.match(name):
        raise Refused(reasons.INVALID_OUTPUT, f"{where}: {name!r} is no name for Kubernetes")
    kind = output.kind
    for key, right in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        if body.setdefault(key, right) != right:
            raise Refused(
                reasons.INVALID_OUTPUT, f"{where} {name} has {key} {body[key]!r}, not {right!r}"
            )
    _check_namespace(f"{where} {name}", metadata, output, namespace)
    return body


def _check_intent(what: str, body: Mapping[str, Any]) -> None:
    given = [f"metadata.{key}" for key in _SERVERS if key in body["metadata"]]
    given += ["status"] if "status" in body else []
    if given:
        raise Refused(
            reasons.RETURNED_INPUT,
            f"you returned an input: {what} carries {', '.join(given)}; "
            "an output is an intent, built from the fields that you want",
        )


def _check_namespace(what: str, metadata: dict[str, Any], output: Output, namespace: str) -> None:
    if not output.kind.namespaced:
        if metadata.pop("namespace", None):
            raise Refused(reasons.INVALID_OUTPUT, f"{what} has a namespace, its kind has none")
        if namespace:
            raise Refused(
                reasons.INVALID_OUTPUT,
                f"{what} is cluster-scoped; a resource in a namespace can't own it",
            )
        return
    if namespace and metadata.setdefault("namespace", namespace) != namespace:
        raise Refused(
            reasons.INVALID_OUTPUT,
            f"{what} is for namespace {metadata['namespace']}; a resource owns objects in its "
            f"own namespace only, {namespace}",
        )
    if not metadata.get("namespace"):
        raise Refused(reasons.INVALID_OUTPUT, f"{what} needs a namespace")
