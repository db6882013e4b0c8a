"""Reads files of tests: the tests in them, or all that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem
from autopilot.rules.check_files import LARGEST, Checked
from autopilot.rules.testfile import RuleTestFile
from autopilot.rules.testfile_case import Case, CaseReader
from autopilot.spec.positions import read
from autopilot.spec.problems import validated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from autopilot.rules.program import Program
    from autopilot.spec.positions import Document


@dataclass(slots=True)
class Suite:
    """What some files hold.

    Attributes:
        cases: The tests.
        problems: All that is wrong.
    """

    cases: list[Case] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def suite_of(paths: Iterable[Path]) -> Suite:
    """Read files of tests; of a folder, all that end in `_test.yaml`."""
    suite = Suite()
    for path in paths:
        for one in _files(path, suite):
            _read(one, suite)
    if not suite.cases and not suite.problems:
        suite.problems.append(Problem("", 0, "", "no test there", "tests are in NAME_test.yaml"))
    return suite


def _files(path: Path, suite: Suite) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted({*path.rglob("*_test.yaml"), *path.rglob("*_test.yml")})
    if not found:
        hint = "tests are in NAME_test.yaml"
        suite.problems.append(Problem(str(path), 0, "", "no test there", hint))
    yield from found


def _read(path: Path, suite: Suite) -> None:
    file = str(path)
    try:
        if path.stat().st_size > LARGEST:
            hint = f"at most {LARGEST} bytes are read"
            suite.problems.append(Problem(file, 0, "", "too large", hint))
            return
        documents = read(path.read_text(encoding="utf-8"), file)
    except InvalidInput as error:
        suite.problems += error.problems
    except UnicodeDecodeError:
        suite.problems.append(Problem(file, 0, "", "isn't text in UTF-8"))
    except OSError as error:
        suite.problems.append(Problem(file, 0, "", error.strerror or str(error)))
    else:
        for document in documents:
            _document(document, path, suite)


def _document(document: Document, path: Path, suite: Suite) -> None:
    suite.problems += document.problems
    value = document.value
    if isinstance(value, dict) and "kind" in value:
        message = f"is a {str(value['kind'])[:60]}, not a file of tests"
        suite.problems.append(document.problem((), message, "a file of tests has rules and tests"))
        return
    if value is None:
        hint = "a file of tests has rules and tests"
        suite.problems.append(Problem(str(path), 0, "", "is empty", hint))
        return
    spec, problems = validated(RuleTestFile, document)
    suite.problems += problems
    if spec is None:
        return
    programs = _rules(spec, document, path, suite)
    if programs is None:
        return
    for index, test in enumerate(spec.tests):
        reader = CaseReader(document, ("tests", index), test)
        case = reader.case(programs)
        suite.problems += reader.problems
        if case is not None and not reader.problems:
            suite.cases.append(case)


def _rules(
    spec: RuleTestFile, document: Document, path: Path, suite: Suite
) -> dict[str, Program] | None:
    """The rules by name; None where one of them is wrong."""
    checked = Checked()
    for index, name in enumerate(spec.rules):
        if not (path.parent / name).exists():
            found = document.problem(("rules", index), f"{name}: no such file", "it is relative")
            checked.problems.append(found)
            continue
        checked.file(path.parent / name)
    new = [one for one in checked.problems if one not in suite.problems]
    suite.problems += new
    programs = {
        found.name: found.program for _, found in checked.rules if found.program is not None
    }
    if not programs and not checked.problems:
        suite.problems.append(document.problem(("rules",), "there is no rule in these files"))
    return None if checked.problems or not programs else programs
