"""What a worker's project declares of it, found from the function itself."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autopilot.kube.kinds import ResourceType
from autopilot.project.definition import definitions
from autopilot.project.load import PROJECT_FILE, load
from autopilot.runtime.assemble import machine_of
from autopilot.runtime.definition import OperatorDefinition, PhaseDefinition
from autopilot.spec.model import Config, FreeConfig, Spec, Status
from autopilot.telemetry.queries import QuerySet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autopilot.machine.table import PhaseMachine

_NOBODYS = ResourceType("test.autopilot.mesh", "v1", "tests", "Test")


@dataclass(frozen=True, slots=True)
class Declared:
    """What is known of a worker.

    Attributes:
        definition: Its operator; one without phases where there is no project.
        phase: The phase's name.
        definition_phase: The phase; None where there is no project.
        machine: The table of transitions; None where there is no project.
        inputs: The declared kinds; None for any.
        metrics: Whether it may read queries.
        queries: What it may ask.
        finalizing: Whether it is the finalizer.
    """

    definition: OperatorDefinition
    phase: str
    definition_phase: PhaseDefinition | None = None
    machine: PhaseMachine | None = None
    inputs: tuple[str, ...] | None = None
    metrics: bool = True
    queries: QuerySet = field(default_factory=QuerySet)
    finalizing: bool = False

    def without(self, given: Mapping[str, Any]) -> OperatorDefinition:
        """The definition, with empty models for what is given ready-made."""
        definition = self.definition
        if "spec" in given:
            definition = replace(definition, spec=Spec)
        if "status" in given:
            definition = replace(definition, status=Status)
        return definition

    def wire_status(self, status: Mapping[str, Any]) -> dict[str, Any]:
        """A status as on the wire, from the fields' Python names or their aliases."""
        names = {n: i.alias or n for n, i in self.definition.status.model_fields.items()}
        return {names.get(key, key): value for key, value in status.items()}


def declared_of(sync: Callable[..., Any]) -> Declared:
    """Look a worker up in its project; what can't be found isn't checked."""
    root = _root(sync)
    if root is not None:
        for definition in _definitions(root, (root / PROJECT_FILE).stat().st_mtime_ns):
            last = (definition.finalizer,) if definition.finalizer else ()
            for phase in (*definition.phases, *last):
                if phase.worker is not None and _same(phase.worker, sync):
                    return _in_project(definition, phase)
    found = _models(sync)
    alone = OperatorDefinition(
        "test",
        _NOBODYS,
        (),
        spec=found.get("Spec", Spec),
        status=found.get("Status", Status),
        config=found.get("Config", FreeConfig),
    )
    return Declared(alone, sync.__name__ if hasattr(sync, "__name__") else "worker")


@lru_cache(maxsize=8)
def _definitions(root: Path, changed: int) -> tuple[OperatorDefinition, ...]:
    """Those of a project, as long as its file doesn't change."""
    del changed
    return definitions(load(root))


def _in_project(definition: OperatorDefinition, phase: PhaseDefinition) -> Declared:
    return Declared(
        definition=definition,
        phase=phase.name,
        definition_phase=phase,
        machine=machine_of(definition),
        inputs=tuple(one.attribute for one in phase.inputs),
        metrics=phase.metrics,
        queries=definition.queries or QuerySet(),
        finalizing=phase is definition.finalizer,
    )


def _root(sync: Callable[..., Any]) -> Path | None:
    """The folder of the project that a function's file lies in."""
    file = inspect.getsourcefile(inspect.unwrap(sync)) if inspect.isfunction(sync) else None
    if file is None:
        return None
    return next((p for p in Path(file).resolve().parents if (p / PROJECT_FILE).is_file()), None)


def _same(one: Any, other: Any) -> bool:
    """The same function, also where its module was imported twice."""
    return one is other or (
        getattr(one, "__module__", "") == getattr(other, "__module__", None)
        and getattr(one, "__qualname__", "") == getattr(other, "__qualname__", None)
    )


def _models(sync: Callable[..., Any]) -> dict[str, type[Any]]:
    """Spec, Status and Config beside the function, or in the `spec` module of its package."""
    name = getattr(sync, "__module__", "") or ""
    places = [sys.modules.get(name)]
    package = name.rpartition(".")[0]
    while package:
        try:
            places.append(import_module(f"{package}.spec"))
        except ImportError:
            package = package.rpartition(".")[0]
            continue
        break
    found: dict[str, type[Any]] = {}
    for place in places:
        for wanted, base in (("Spec", Spec), ("Status", Status), ("Config", Config)):
            model = getattr(place, wanted, None)
            if inspect.isclass(model) and issubclass(model, base):
                found.setdefault(wanted, model)
    return found
