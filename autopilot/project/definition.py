"""From a project's files and the author's package to what the runtime runs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from autopilot.base.errors import InvalidInput, Problem
from autopilot.kube.kinds import METRICS
from autopilot.project.importing import importable, module
from autopilot.project.kinds import attribute, kinds_of, primary_kind
from autopilot.project.load import load, shown
from autopilot.project.models import models
from autopilot.project.python_files import queries_of
from autopilot.runtime.definition import Input, OperatorDefinition, Output, PhaseDefinition
from autopilot.spec.names import python_name
from autopilot.spec.problems import validated

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.project.load import Project
    from autopilot.runtime.definition import Worker
    from autopilot.spec.model import Config
    from autopilot.spec.operator_config import OperatorConfig
    from autopilot.spec.project import FinalizerSpec, OperatorSpec, PhaseSpec

FINALIZER = "Finalizer"
"""The finalizer's name where a phase's would stand."""


def definitions(project: Project, *, fresh: bool = False) -> tuple[OperatorDefinition, ...]:
    """One definition for each kind of a project.

    Args:
        project: Its files, as `load` gives them.
        fresh: Import the author's package anew, as its files may have changed.

    Raises:
        InvalidInput: Every worker that is missing, can't be imported or takes other arguments;
            a `config:` map that doesn't fit the author's model.
    """
    problems: list[Problem] = []
    made: list[OperatorDefinition] = []
    with importable(project.root, project.package, fresh=fresh):
        for operator in project.operators:
            try:
                made.append(_Builder(project, operator).definition(problems))
            except InvalidInput as error:
                problems += error.problems
    if problems:
        raise InvalidInput(dict.fromkeys(problems))
    return tuple(made)


def load_definitions(start: Path) -> tuple[Project, tuple[OperatorDefinition, ...]]:
    """Load the project around a folder, and its definitions.

    Raises:
        InvalidInput: Everything that is wrong.
    """
    project = load(start)
    return project, definitions(project)


def typed_config(definition: OperatorDefinition, config: OperatorConfig) -> Config:
    """The `config:` map in the author's model: what `ctx.config` is.

    Raises:
        InvalidInput: It doesn't fit.
    """
    try:
        return definition.config.model_validate(config.config, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidInput(
            Problem("", 0, ".".join(map(str, ("config", *found["loc"]))), found["msg"])
            for found in error.errors(include_url=False)
        ) from None


class _Builder:
    """Builds one kind's definition."""

    def __init__(self, project: Project, operator: OperatorSpec) -> None:
        self._project = project
        self._operator = operator
        self._module = project.module(operator)
        self._kinds = kinds_of(operator)

    def definition(self, problems: list[Problem]) -> OperatorDefinition:
        found = models(self._module, self._project.root)
        problems += _config_problems(self._project, found.config)
        operator = self._operator
        phases = tuple(self._phase(phase, problems) for phase in operator.phases)
        finalizer = None
        if operator.enable_finalizer:
            finalizer = self._made(FINALIZER, operator.finalizer, "finalizer", problems)
        parts = (*phases, *((finalizer,) if finalizer else ()))
        return OperatorDefinition(
            name=operator.operator_name,
            kind=primary_kind(operator),
            phases=phases,
            queries=queries_of(operator) if any(part.metrics for part in parts) else None,
            finalizer=finalizer,
            spec=found.spec,
            status=found.status,
            config=found.config,
            extra={"module": self._module, "root": str(self._project.root)},
        )

    def _phase(self, phase: PhaseSpec, problems: list[Problem]) -> PhaseDefinition:
        ways = phase.transitions
        more: dict[str, Any] = {
            "initial": phase.initial,
            "final": phase.final,
            "description": phase.description,
            "transitions": None if ways is None else tuple(way.to for way in ways),
        }
        if phase.final:
            return PhaseDefinition(phase.name, **{**more, "transitions": ()})
        return self._made(phase.name, phase, python_name(phase.name), problems, **more)

    def _made(
        self,
        name: str,
        owner: FinalizerSpec,
        worker: str,
        problems: list[Problem],
        **more: Any,
    ) -> PhaseDefinition:
        return PhaseDefinition(
            name,
            worker=self._worker(name, worker, problems),
            inputs=tuple(
                Input(
                    attribute=attribute(entry.kind),
                    kind=self._kinds[entry.kind],
                    selector=entry.selector,
                    namespace=entry.namespace,
                    names=entry.only,
                )
                for entry in owner.inputs
                if entry.kind != METRICS
            ),
            outputs=tuple(Output(attribute(kind), self._kinds[kind]) for kind in owner.outputs),
            metrics=any(entry.kind == METRICS for entry in owner.inputs),
            actions=owner.actions,
            **more,
        )

    def _worker(self, phase: str, name: str, problems: list[Problem]) -> Worker | None:
        dotted = f"{self._module}.workers.{name}"
        path = self._project.root / f"{dotted.replace('.', '/')}.py"
        if not path.is_file():
            hint = "autopilot generate writes one to fill in"
            problems.append(Problem(shown(path), 0, "", f"{phase} has no worker", hint))
            return None
        try:
            found = module(dotted, self._project.root)
        except InvalidInput as error:
            problems += error.problems
            return None
        sync: Worker | None = getattr(found, "sync", None)
        wrong = _unfit(sync)
        if wrong:
            line = 0
            if inspect.isfunction(sync) and sync.__module__ == dotted:
                line = inspect.unwrap(sync).__code__.co_firstlineno
            hint = "async def sync(res, inputs, ctx)"
            problems.append(Problem(shown(path), line, "", wrong, hint))
        return sync


def _unfit(sync: object) -> str:
    """Why something can't be called as a worker; empty if it can."""
    if sync is None:
        return "sync is missing"
    if not callable(sync):
        return "sync isn't a function"
    if inspect.isasyncgenfunction(sync) or inspect.isgeneratorfunction(sync):
        return "sync is a generator"
    try:
        inspect.signature(sync).bind(object(), object(), object())
    except TypeError:
        return "sync doesn't take three arguments"
    except ValueError:
        return ""
    return ""


def _config_problems(project: Project, model: type[Config]) -> list[Problem]:
    document = project.config_document
    if not isinstance(document.value, dict) or document.value.get("config") is None:
        try:
            model.model_validate({})
        except ValidationError:
            hint = "the author's model has fields without a default"
            return [document.problem(("config",), "is missing", hint)]
        return []
    _, problems = validated(model, document, at=("config",))
    return problems
