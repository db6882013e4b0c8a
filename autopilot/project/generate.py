"""Rewrites what follows from `autopilot.yaml` and `spec.py`; never touches the author's files."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.project.files import content, write
from autopilot.project.importing import importable
from autopilot.project.load import load
from autopilot.project.manifests import deploy
from autopilot.project.models import models
from autopilot.project.naming import variables, worker_names
from autopilot.project.python_files import generated
from autopilot.project.templates import render
from autopilot.spec.operator_config import OperatorConfig
from autopilot.spec.positions import read
from autopilot.spec.problems import validated

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.project.load import Project
    from autopilot.project.models import Models
    from autopilot.spec.project import OperatorSpec


@dataclass
class Outcome:
    """What `generate` did, or with `check` would do.

    Attributes:
        root: The project's folder.
        written: Generated files that changed, relative to the project.
        begun: Files that are the author's from now on, such as a new phase's worker.
        unchanged: How many generated files were as they should be.
        diffs: By file, what changed, as a unified diff.
        notes: The project's own, and its models'.
    """

    root: Path
    written: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    unchanged: int = 0
    diffs: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def stale(self) -> list[str]:
        """Everything that isn't as it should be."""
        return sorted([*self.begun, *self.written])


def generate(start: Path, *, check: bool = False) -> Outcome:
    """Bring a project's generated files up to date.

    Args:
        start: A folder in the project.
        check: Only say what is stale.

    Raises:
        InvalidInput: The project's files are wrong, or `spec.py` can't be imported.
    """
    project = load(start, environ={})
    outcome = Outcome(project.root, notes=project.notes)
    missing = {
        name: text for name, text in _begun(project).items() if not (project.root / name).exists()
    }
    outcome.begun = sorted(missing)
    if not check:
        for name, text in missing.items():
            write(project.root / name, text)
    if check and any(name.endswith("/spec.py") for name in missing):
        return outcome
    found = _models(project)
    outcome.notes += tuple(note for one in found for note in one.notes)
    for name, text in _ours(project, found).items():
        path = project.root / name
        before = content(path)
        if before == text:
            outcome.unchanged += 1
            continue
        outcome.written.append(name)
        outcome.diffs[name] = _diff(name, before or "", text)
        if not check:
            write(path, text)
    outcome.written.sort()
    return outcome


def _begun(project: Project) -> dict[str, str]:
    """The files that `generate` begins where they are missing, and never touches again."""
    files: dict[str, str] = {}
    for operator in project.operators:
        module = project.module(operator)
        folder = module.replace(".", "/")
        names = variables(operator, module)
        files[f"{folder}/__init__.py"] = render("common/package.py.j2", names)
        files[f"{folder}/spec.py"] = render("common/spec.py.j2", names)
        files[f"{folder}/workers/__init__.py"] = render("common/workers.py.j2", names)
        files.update(workers(operator, module))
    return files


def workers(operator: OperatorSpec, module: str) -> dict[str, str]:
    """A worker to fill in for each phase that has one, and the finalizer's."""
    names = variables(operator, module)
    folder = f"{module.replace('.', '/')}/workers"
    return {
        f"{folder}/{phase.module}.py": render("common/worker.py.j2", {**names, "phase": phase})
        for phase in worker_names(operator)
    }


def _models(project: Project) -> list[Models]:
    with importable(project.root, project.package, fresh=True):
        return [models(project.module(operator), project.root) for operator in project.operators]


def _ours(project: Project, found: list[Models]) -> dict[str, str]:
    """Every generated file, by its path in the project."""
    files: dict[str, str] = {}
    for operator, made in zip(project.operators, found, strict=True):
        module = project.module(operator)
        folder = module.replace(".", "/")
        for name, text in generated(operator, module, has_config=made.has_config).items():
            files[f"{folder}/{name}"] = text
    text = content(project.root / "autopilot-operator.yaml") or ""
    config = _file_config(text)
    for name, manifest in deploy(
        project.operators, [(m.spec, m.status) for m in found], config, text
    ).items():
        files[f"deploy/{name}"] = manifest
    return files


def _file_config(text: str) -> OperatorConfig:
    """The project's own file, whatever configuration the environment points to."""
    document = read(text, "autopilot-operator.yaml")[0]
    if document.value is None:
        return OperatorConfig()
    config, _ = validated(OperatorConfig, document)
    return config or OperatorConfig()


def _diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, name
    )
    return "".join(lines)
