"""The JSON Schema of an Experiment, for editors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema

from autopilot.operators.chaos.model import ExperimentSpec
from autopilot.spec.editor import editor_schema
from autopilot.spec.model import Model


class ExperimentDocument(Model):
    """The whole object."""

    api_version: Literal["autopilot.mesh/v1alpha1"]
    """autopilot.mesh/v1alpha1"""
    kind: Literal["Experiment"]
    """Experiment"""
    metadata: Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
    """Name, namespace, labels, annotations."""
    spec: ExperimentSpec
    """What is injected, and what must not happen."""
    status: Annotated[Any, WithJsonSchema({"type": "object"})] = None
    """The runtime's."""


def experiment_schema() -> dict[str, Any]:
    """The JSON Schema of a whole Experiment."""
    return editor_schema(ExperimentDocument, "Experiment")
