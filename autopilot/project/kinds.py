"""What the names in `inputs:` and `outputs:` stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.spec.names import python_name

if TYPE_CHECKING:
    from autopilot.spec.project import OperatorSpec


def kinds_of(operator: OperatorSpec) -> dict[str, ResourceType]:
    """Every kind that an operator may name, by its plural; its own stand above the known ones."""
    custom = {
        entry.lower_name: ResourceType(
            entry.api_group, entry.version, entry.lower_name, entry.single_name, entry.namespaced
        )
        for entry in operator.custom_parameters
    }
    return {**KNOWN, **custom}


def primary_kind(operator: OperatorSpec) -> ResourceType:
    """The operator's own kind."""
    return ResourceType(operator.group, operator.version, operator.plural, operator.kind)


def attribute(plural: str) -> str:
    """How workers spell a kind: its plural, with an underscore behind a word of Python's."""
    return python_name(plural)
