"""The CustomResourceDefinition of a Rule."""

from __future__ import annotations

from typing import Any

from autopilot.rules.model import API_VERSION, KIND, RuleSpec
from autopilot.rules.status import RuleStatus
from autopilot.spec.crd import crd
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
    spec = root["properties"]["spec"] = _plain(root["properties"]["spec"])
    spec["properties"]["mode"]["default"] = "enforce"
    root["properties"]["status"]["properties"]["phase"]["description"] = "The present phase."
    return made


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Without defaults."""
    result = {key: value for key, value in schema.items() if key != "default"}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = _plain(result[key])
    if "properties" in result:
        result["properties"] = {name: _plain(one) for name, one in result["properties"].items()}
    return result
