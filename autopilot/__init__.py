"""Watches a service mesh's telemetry and moves its traffic.

What authors of operators import; resolved on first use, so that the command line starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autopilot.mesh.actions import Fault, Scale, Split, Where
    from autopilot.runtime.context import Context
    from autopilot.runtime.inputs import InputMissing, Inputs, Item, Listing
    from autopilot.runtime.resource import Resource
    from autopilot.runtime.result import Result
    from autopilot.spec.model import Config, Model, Spec, Status
    from autopilot.spec.types import Duration
    from autopilot.telemetry.sample import Sample
    from autopilot.verdict.verdict import Verdict

__version__ = "0.1.0"

__all__ = [
    "Config",
    "Context",
    "Duration",
    "Fault",
    "InputMissing",
    "Inputs",
    "Item",
    "Listing",
    "Model",
    "Resource",
    "Result",
    "Sample",
    "Scale",
    "Spec",
    "Split",
    "Status",
    "Verdict",
    "Where",
    "__version__",
]

_HOMES = {
    "Config": "autopilot.spec.model",
    "Context": "autopilot.runtime.context",
    "Duration": "autopilot.spec.types",
    "Fault": "autopilot.mesh.actions",
    "InputMissing": "autopilot.runtime.inputs",
    "Inputs": "autopilot.runtime.inputs",
    "Item": "autopilot.runtime.inputs",
    "Listing": "autopilot.runtime.inputs",
    "Model": "autopilot.spec.model",
    "Resource": "autopilot.runtime.resource",
    "Result": "autopilot.runtime.result",
    "Sample": "autopilot.telemetry.sample",
    "Scale": "autopilot.mesh.actions",
    "Spec": "autopilot.spec.model",
    "Split": "autopilot.mesh.actions",
    "Status": "autopilot.spec.model",
    "Verdict": "autopilot.verdict.verdict",
    "Where": "autopilot.mesh.actions",
}


def __getattr__(name: str) -> Any:
    """Resolve a public name."""
    if name not in _HOMES:
        raise AttributeError(f"module 'autopilot' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
