"""The queries of `autopilot.yaml`: their names, templates and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.spec import names
from autopilot.spec.problems import did_you_mean
from autopilot.telemetry.queries import python_name
from autopilot.telemetry.templates import BadTemplate, compile_template, key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.base.errors import Problem
    from autopilot.spec.positions import Document, Path
    from autopilot.spec.project import OperatorSpec, QuerySpec


def check_queries(operator: OperatorSpec, document: Document) -> Iterator[Problem]:
    """Names that clash, templates that don't parse, parameters that don't fit them."""
    seen: dict[str, str] = {}
    for index, query in enumerate(operator.queries):
        at: Path = ("queries", index)
        if not names.IDENTIFIER.fullmatch(query.name.replace("-", "_")):
            yield document.problem(
                (*at, "name"),
                f"{query.name!r} is no name for a query",
                "letters, digits and dashes, a letter first: success-rate",
            )
            continue
        spelled = python_name(query.name)
        if spelled in seen:
            same = "is declared twice"
            if seen[spelled] != query.name:
                same = f"is the same as {seen[spelled]!r} in Python ({spelled})"
            yield document.problem((*at, "name"), f"query {query.name!r} {same}", "rename one")
        seen.setdefault(spelled, query.name)
        yield from _parameters(query, at, document)


def _parameters(query: QuerySpec, at: Path, document: Document) -> Iterator[Problem]:
    declared: dict[str, str] = {}
    for number, parameter in enumerate(query.parameters):
        where = (*at, "parameters", number)
        if not names.IDENTIFIER.fullmatch(parameter):
            yield document.problem(
                where, f"{parameter!r} is no name for a parameter", "letters, digits, underscores"
            )
        elif key(parameter) in declared:
            other = declared[key(parameter)]
            same = "is there twice" if other == parameter else f"is the same as {other!r}"
            yield document.problem(where, f"parameter {parameter!r} {same}", "keep one")
        declared.setdefault(key(parameter), parameter)
    template = (*at, "queryTemplate")
    if not query.query_template.strip():
        yield document.problem(template, "is empty", "write PromQL")
        return
    try:
        used = compile_template(query.query_template).names
    except BadTemplate as error:
        yield document.problem(template, str(error), "a parameter is {{ name }} or [[ name ]]")
        return
    for name in sorted(used):
        if key(name) not in declared:
            otherwise = f"add it to the parameters of {query.name}"
            hint = did_you_mean(name, declared.values(), otherwise=otherwise)
            yield document.problem(template, f"undeclared parameter {name!r}", hint)


def unused_parameters(operator: OperatorSpec, document: Document) -> Iterator[str]:
    """A note on each parameter that no template uses: the original accepts them."""
    for index, query in enumerate(operator.queries):
        try:
            used = {key(name) for name in compile_template(query.query_template).names}
        except BadTemplate:
            continue  # a problem already
        for number, parameter in enumerate(query.parameters):
            if key(parameter) not in used:
                line = document.line(("queries", index, "parameters", number))
                yield f"{document.file}:{line}: query {query.name} doesn't use {parameter!r}"
