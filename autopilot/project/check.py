"""Checks a whole project or a single file, and says in a line what was found good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem
from autopilot.project.definition import definitions
from autopilot.project.generate import generate
from autopilot.project.load import CONFIG_FILE, PROJECT_FILE, load, parse, read_config, shown
from autopilot.spec.positions import read

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found.

    Attributes:
        summary: One line, where there is no problem.
        problems: Everything wrong, in the order of the files.
        notes: No errors.
    """

    summary: str = ""
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def check(path: Path) -> Findings:
    """Check the project around a folder, or one file of either format."""
    try:
        if not path.exists():
            raise InvalidInput([Problem(str(path), 0, "", "isn't there")])
        return _file(path) if path.is_file() else _project(path)
    except InvalidInput as error:
        return Findings(problems=error.problems)


def _project(path: Path) -> Findings:
    project = load(path)
    found = definitions(project, fresh=True)
    kinds = ", ".join(f"{one.kind.kind} ({len(one.phases)} phases)" for one in found)
    outcome = generate(project.root, check=True)
    stale, notes = outcome.stale, list(outcome.notes)
    if stale:
        more = f" and {len(stale) - 1} more" if len(stale) > 1 else ""
        notes.append(f"{stale[0]}{more} isn't up to date; run `autopilot generate`")
    return Findings(f"{shown(project.root)}: {project.name}: {kinds}: ok", notes=tuple(notes))


def _file(path: Path) -> Findings:
    if _is_config(path):
        read_config(path, environ={})
        return Findings(f"{shown(path)}: ok")
    parsed = parse(path.read_text(encoding="utf-8"), shown(path))
    if parsed.problems:
        return Findings(problems=tuple(sorted(parsed.problems)), notes=parsed.notes)
    kinds = ", ".join(f"{one.kind} ({len(one.phases)} phases)" for one in parsed.operators)
    return Findings(f"{shown(path)}: {kinds}: ok", notes=parsed.notes)


def _is_config(path: Path) -> bool:
    """Whether a file is in the format of autopilot-operator.yaml: by name, else by its keys."""
    if path.name in {CONFIG_FILE, PROJECT_FILE}:
        return path.name == CONFIG_FILE
    try:
        value = read(path.read_text(encoding="utf-8"), str(path))[0].value
    except (InvalidInput, UnicodeDecodeError):
        return False
    project_keys = {"kind", "phases", "apiVersion", "operatorName"}
    return isinstance(value, dict) and bool(value) and not project_keys & set(value)
