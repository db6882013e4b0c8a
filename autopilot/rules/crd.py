"""The CustomResourceDefinition of a Rule."""

from __future__ import annotations

from typing import Any

from autopilot.rules.model import API_VERSION, KIND, RuleSpec
from autopilot.rules.status import RuleStatus
from autopilot.spec.crd import crd, without_defaults
from autopilot.spec.project import OperatorSpec

_READY = '.status.conditions[?(@.type=="Ready")]'
_COLUMNS = [
    {"name": "Mode", "type": "string", "jsonPath": ".spec.mode"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Would be", "type": "string", "jsonPath": ".status.wouldBe.phase"},
    {"name": "Reason", "type": "string", "jsonPath": f"{_READY}.reason"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def rule_crd() -> dict[str, Any]:
    """The CRD of a Rule, to apply.

    Its spec has no defaults but the mode, which a column shows: a stored rule keeps what its
    author wrote, and a later version may know better.
    """
    made = crd(OperatorSpec(kind=KIND, api_version=API_VERSION), RuleSpec, RuleStatus)
    (version,) = made["spec"]["versions"]
    version["additionalPrinterColumns"] = _COLUMNS
    root = version["schema"]["openAPIV3Schema"]
    root["description"] = "A state machine over signals that moves a mesh's traffic."
    spec = root["properties"]["spec"] = without_defaults(root["properties"]["spec"])
    spec["properties"]["mode"]["default"] = "enforce"
    root["properties"]["status"]["properties"]["phase"]["description"] = "The present phase."
    return made
