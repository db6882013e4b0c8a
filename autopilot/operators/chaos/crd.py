"""The CustomResourceDefinition of an Experiment."""

from __future__ import annotations

from typing import Any

from autopilot.operators.chaos import machine
from autopilot.operators.chaos.model import EXPERIMENTS, ExperimentSpec
from autopilot.operators.chaos.status import ExperimentStatus
from autopilot.spec.crd import crd, without_defaults
from autopilot.spec.project import OperatorSpec

LONGEST_NAME = 240
"""A Report's name is the experiment's with the number of its run, and 253 is the limit of both."""

_COLUMNS = [
    {"name": "Target", "type": "string", "jsonPath": ".spec.target.service"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Run", "type": "integer", "jsonPath": ".status.run"},
    {"name": "Cause", "type": "string", "jsonPath": ".status.cause.message", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def experiment_crd() -> dict[str, Any]:
    """The CRD of an Experiment, to apply.

    Its spec has no defaults: a stored experiment keeps what its author wrote.
    """
    made = crd(
        OperatorSpec(kind=EXPERIMENTS.kind, api_version=EXPERIMENTS.api_version),
        ExperimentSpec,
        ExperimentStatus,
    )
    (version,) = made["spec"]["versions"]
    version["additionalPrinterColumns"] = _COLUMNS
    root = version["schema"]["openAPIV3Schema"]
    root["description"] = "Faults in front of a service, for a time, and what must not happen."
    name = {"type": "string", "maxLength": LONGEST_NAME}
    root["properties"]["metadata"] = {"type": "object", "properties": {"name": name}}
    root["properties"]["spec"] = without_defaults(root["properties"]["spec"])
    phases = ", ".join(machine.WAYS)
    root["properties"]["status"]["properties"]["phase"]["description"] = f"One of {phases}."
    return made
