"""Checks files of experiments: every error at once, with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem
from autopilot.operators.chaos.compile import compile_experiment
from autopilot.operators.chaos.model import EXPERIMENTS, ExperimentSpec
from autopilot.operators.chaos.report_model import MOST_NAME
from autopilot.spec.documents import Sought, text_of, yaml_files
from autopilot.spec.problems import validated, without_unknown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autopilot.operators.chaos.compile import Program
    from autopilot.spec.positions import Document

SOUGHT = Sought(EXPERIMENTS.kind, EXPERIMENTS.api_version)

_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
_PART = re.compile(r"\[(\d+)\]|([^.\[]+)")


@dataclass(frozen=True, slots=True)
class Found:
    """An experiment in a file.

    Attributes:
        document: As it stands there.
        name: Its name; empty where it has none.
        namespace: Where it says, else where it was to be put.
        program: Compiled; None where anything is wrong.
    """

    document: Document
    name: str
    namespace: str
    program: Program | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in some files.

    Attributes:
        experiments: Each, in order.
        problems: All that is wrong.
        notes: What is worth saying.
    """

    experiments: tuple[Found, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def checked(paths: Iterable[Path], namespace: str, stdin: str | None = None) -> Checked:
    """Check files and folders; and a text from standard input where one is given.

    Args:
        paths: Files, or folders of YAML files.
        namespace: For those that name none.
        stdin: A text.
    """
    problems: list[Problem] = []
    notes: list[Problem] = []
    documents: list[Document] = []
    texts = [] if stdin is None else [("<stdin>", stdin)]
    for path in _files(paths):
        try:
            texts.append((str(path), text_of(path)))
        except InvalidInput as error:
            problems += error.problems
    for file, text in texts:
        try:
            documents += SOUGHT.documents(text, file, notes)
        except InvalidInput as error:
            problems += error.problems
    found = [_found(document, namespace, problems) for document in documents]
    problems += _twice(found)
    if not documents and not problems:
        hint = f"an experiment begins with {SOUGHT.head}, kind: {SOUGHT.kind}"
        problems.append(Problem("", 0, "", "no experiment there", hint))
    return Checked(tuple(found), tuple(sorted(problems)), tuple(notes))


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        yield from yaml_files(path) if path.is_dir() else (path,)


def _found(document: Document, namespace: str, problems: list[Problem]) -> Found:
    own = [*document.problems, *_metadata(document)]
    metadata = document.value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    home = str(metadata.get("namespace") or namespace)
    name = metadata.get("name")
    program = None
    for key in document.value:
        if key not in {"apiVersion", "kind", "metadata", "spec", "status"}:
            own.append(document.problem((key,), "unknown key", "known: metadata, spec"))
    if not isinstance(document.value.get("spec"), dict):
        own.append(document.problem(("spec",), "is missing", "it is required"))
    else:
        program = _compiled(document, home, own)
    problems += own
    return Found(document, name if isinstance(name, str) else "", home, None if own else program)


def _compiled(document: Document, namespace: str, problems: list[Problem]) -> Program | None:
    """The spec, compiled; what is wrong with its shape is told with lines and hints."""
    spec, wrong = validated(ExperimentSpec, document, at=("spec",))
    problems += wrong
    raw = document.value["spec"]
    if spec is None:
        # One misspelt key doesn't hide what only a whole experiment shows.
        part = type(document)(document.file, raw, {}, {})
        spec = without_unknown(ExperimentSpec, part)
        if spec is None:
            return None
        raw = spec.model_dump(by_alias=True, mode="json", exclude_unset=True)
    try:
        return compile_experiment(raw, namespace)
    except InvalidInput as error:
        problems += [
            document.problem(_path(one.path), one.message, one.hint) for one in error.problems
        ]
    return None


def _path(text: str) -> tuple[str | int, ...]:
    """`spec.faults[0].abort` as a path."""
    found = _PART.finditer(text)
    return tuple(int(one[1]) if one[1] is not None else str(one[2]) for one in found)


def _metadata(document: Document) -> list[Problem]:
    metadata = document.value.get("metadata")
    if not isinstance(metadata, dict):
        return [document.problem(("metadata",), "is missing", "it holds at least a name")]
    name, where = metadata.get("name"), ("metadata", "name")
    if name is None:
        return [document.problem(where, "is missing", "it is required")]
    if not isinstance(name, str) or not _NAME.match(name):
        hint = "lower-case letters, digits, hyphens"
        return [document.problem(where, f"{str(name)[:60]!r} is no name for Kubernetes", hint)]
    if len(name) > MOST_NAME:
        return [document.problem(where, "is too long", f"at most {MOST_NAME} characters")]
    return []


def _twice(found: Iterable[Found]) -> list[Problem]:
    seen: dict[tuple[str, str], Found] = {}
    problems = []
    for one in found:
        first = seen.setdefault((one.namespace, one.name), one)
        if one.name and first is not one:
            where = ("metadata", "name")
            at = f"{first.document.file}:{first.document.line(where)}"
            message = f"{one.name} is there twice (first in {at})"
            problems.append(one.document.problem(where, message, "rename one"))
    return problems
