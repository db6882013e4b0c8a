"""Finds a project and reads its two files; every problem at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from autopilot.base.errors import InvalidInput, Problem
from autopilot.project.check_queries import unused_parameters
from autopilot.project.validate import check_operator, check_project
from autopilot.spec.names import snake
from autopilot.spec.operator_config import OperatorConfig
from autopilot.spec.positions import Document, read
from autopilot.spec.problems import validated, without_unknown
from autopilot.spec.project import OperatorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

C = TypeVar("C", bound=OperatorConfig)

PROJECT_FILE = "autopilot.yaml"
CONFIG_FILE = "autopilot-operator.yaml"
CONFIG_VARIABLE = "AUTOPILOT_OPERATOR_CONFIG"
"""Names the configuration file where it doesn't lie beside autopilot.yaml: a mounted ConfigMap."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project's files, read and found good.

    Attributes:
        root: The folder of autopilot.yaml.
        operators: One for each kind.
        documents: Their documents, in the same order.
        config: The configuration, under the environment.
        config_path: Its file, which need not exist: every field has a default.
        config_document: Its document.
        notes: What is worth saying once, but no error.
    """

    root: Path
    operators: tuple[OperatorSpec, ...]
    documents: tuple[Document, ...]
    config: OperatorConfig
    config_path: Path
    config_document: Document
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The operator's name, one for all its kinds."""
        return self.operators[0].operator_name

    @property
    def package(self) -> str:
        """The author's Python package."""
        return self.operators[0].package

    def module(self, operator: OperatorSpec) -> str:
        """Where a kind's spec and workers are: the package, or for a further kind a part of it."""
        if operator.kind == self.operators[0].kind:
            return self.package
        return f"{self.package}.{snake(operator.kind)}"


def find_root(start: Path) -> Path:
    """The nearest folder with an autopilot.yaml, from here upwards.

    Raises:
        InvalidInput: There is none.
    """
    here = start.resolve()
    here = here.parent if here.is_file() else here
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    hint = "go into a project, or start one: autopilot init DIR --kind Canary --group example.io"
    raise InvalidInput([Problem("", 0, "", f"no {PROJECT_FILE} in {here} or above it", hint)])


def load(start: Path, *, environ: Mapping[str, str] = os.environ) -> Project:
    """Read the project around a folder.

    Args:
        start: A folder in the project, or its autopilot.yaml.
        environ: WATCH_NAMESPACE and AUTOPILOT_OPERATOR_CONFIG are read from it.

    Raises:
        InvalidInput: Every problem of both files.
    """
    root = find_root(start)
    problems: list[Problem] = []
    text = _text(root / PROJECT_FILE, problems)
    parsed = Parsed() if text is None else parse(text, shown(root / PROJECT_FILE))
    problems += parsed.problems
    config_path = Path(environ.get(CONFIG_VARIABLE) or root / CONFIG_FILE)
    document, config = None, None
    try:
        document, config = read_config(config_path, environ=environ)
    except InvalidInput as error:
        problems += error.problems
    if problems or document is None or config is None:
        raise InvalidInput(problems)
    return Project(
        root,
        parsed.operators,
        parsed.documents,
        config,
        config_path,
        document,
        parsed.notes,
    )


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text in the format of autopilot.yaml.

    Attributes:
        operators: Those whose shape is right, even if something else is wrong.
        documents: Their documents, in the same order.
        problems: Everything wrong.
        notes: What is worth saying once, but no error.
    """

    operators: tuple[OperatorSpec, ...] = ()
    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def parse(text: str, file: str) -> Parsed:
    """Read the operators that a text declares; every problem at once."""
    try:
        documents = read(text, file)
    except InvalidInput as error:
        return Parsed(problems=error.problems)
    problems: list[Problem] = []
    pairs: list[tuple[OperatorSpec, Document]] = []
    name = ""
    for document in documents:
        problems += document.problems
        if document.value is None:
            hint = "write at least kind, apiVersion, operatorName and phases"
            problems.append(Problem(file, document.line(()) or 1, "", "is empty", hint))
            continue
        if not isinstance(document.value, dict):
            problems.append(document.problem((), "is no map", "write `key: value` lines"))
            continue
        operator, found = validated(OperatorSpec, document)
        operator = operator or without_unknown(OperatorSpec, document)
        problems += found
        if isinstance(document.value.get("operatorName"), str):
            name = name or document.value["operatorName"]
        if operator is not None:
            named = operator.operator_name or name
            pairs.append((operator.model_copy(update={"operator_name": named}), document))
    for operator, document in pairs:
        problems += check_operator(operator, document)
    problems += check_project(pairs)
    notes = tuple(note for operator, document in pairs for note in _notes(operator, document))
    return Parsed(
        tuple(operator for operator, _ in pairs),
        tuple(document for _, document in pairs),
        tuple(problems),
        notes,
    )


def read_config(
    path: Path, *, environ: Mapping[str, str] = os.environ
) -> tuple[Document, OperatorConfig]:
    """Read an operator's configuration file; one that isn't there, or is empty, is all defaults.

    Raises:
        InvalidInput: Every problem.
    """
    return read_config_as(OperatorConfig, path, environ=environ)


def read_config_as(
    model: type[C], path: Path, *, environ: Mapping[str, str] = os.environ
) -> tuple[Document, C]:
    """Read a configuration file by a model; one that isn't there, or is empty, is all defaults.

    Raises:
        InvalidInput: Every problem.
    """
    file = shown(path)
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput([Problem(file, 0, "", f"can't be read: {error}")]) from None
    documents = read(text, file)
    document = documents[0]
    problems = list(document.problems)
    if len(documents) > 1:
        problems.append(documents[1].problem((), "a second document", "one is enough"))
    if document.value is None:
        return document, cast("C", model().with_environment(environ))
    if not isinstance(document.value, dict):
        problems.append(document.problem((), "is no map", "write `key: value` lines"))
        raise InvalidInput(problems)
    config, found = validated(model, document)
    if config is None or problems:
        raise InvalidInput([*problems, *found])
    return document, cast("C", config.with_environment(environ))


def shown(path: Path) -> str:
    """A path as short as it can be said: relative to the working directory where below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _text(path: Path, problems: list[Problem]) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(shown(path), 0, "", f"can't be read: {error}"))
        return None


def _notes(operator: OperatorSpec, document: Document) -> list[str]:
    unused = list(unused_parameters(operator, document))
    for index, custom in enumerate(operator.custom_parameters):
        if custom.import_prefix is not None or custom.package is not None:
            line = document.line(("customParameters", index))
            said = f"{document.file}:{line}: importPrefix and package are for Go; they are ignored"
            return [said, *unused]
    return unused
