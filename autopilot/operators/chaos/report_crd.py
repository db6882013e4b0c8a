"""The CustomResourceDefinition of a Report."""

from __future__ import annotations

from typing import Any

from autopilot.operators.chaos.report_model import REPORTS
from autopilot.operators.chaos.report_parts import ReportSpec
from autopilot.spec.crd import crd, without_defaults
from autopilot.spec.model import Status
from autopilot.spec.project import OperatorSpec

_COLUMNS = [
    {"name": "Experiment", "type": "string", "jsonPath": ".spec.experiment"},
    {"name": "Run", "type": "integer", "jsonPath": ".spec.run"},
    {"name": "Verdict", "type": "string", "jsonPath": ".spec.verdict"},
    {"name": "Cause", "type": "string", "jsonPath": ".spec.cause.message", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def report_crd() -> dict[str, Any]:
    """The CRD of a Report, to apply. A Report is written once and judged by nobody: no status."""
    made = crd(OperatorSpec(kind=REPORTS.kind, api_version=REPORTS.api_version), ReportSpec, Status)
    (version,) = made["spec"]["versions"]
    version["additionalPrinterColumns"] = _COLUMNS
    version.pop("subresources")
    root = version["schema"]["openAPIV3Schema"]
    root["description"] = "What happened in one run of an experiment."
    root["properties"].pop("status")
    # A default would be written into each of thousands of samples.
    root["properties"]["spec"] = without_defaults(root["properties"]["spec"])
    return made
