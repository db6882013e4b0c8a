"""The generated part of a project's Python: phases, inputs, outputs, queries, resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.project.naming import variables, worker_names
from autopilot.project.templates import render
from autopilot.spec.names import snake
from autopilot.telemetry.queries import QuerySet, QueryTemplate, python_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autopilot.spec.project import OperatorSpec
    from autopilot.telemetry.queries import Query

MODULES = ("__init__", "inputs", "outputs", "phases", "queries", "resource")

_PLAIN = "str | int | float | timedelta"
_OPTIONAL = {
    "route": "route: Sequence[str] = ()",
    "quantile": "quantile: float = {}",
    "interval": 'interval: str | timedelta = "{}"',
}


@dataclass(frozen=True, slots=True)
class QueryNames:
    """A query for a template.

    Attributes:
        attribute: How workers call it.
        arguments: Its keyword arguments, typed.
        about: For the docstring.
    """

    attribute: str
    arguments: tuple[str, ...]
    about: str


def queries_of(operator: OperatorSpec) -> QuerySet:
    """An operator's queries beside the built-in ones."""
    return QuerySet(
        QueryTemplate(
            query.name,
            query.parameters,
            query.query_template,
            query.interval.total_seconds() if query.interval else None,
        )
        for query in operator.queries
    )


def generated(operator: OperatorSpec, module: str, *, has_config: bool) -> dict[str, str]:
    """The generated modules of one kind, by their path relative to its module's folder."""
    names = variables(operator, module)
    readers = worker_names(operator)
    queries = query_names(queries_of(operator), {query.name for query in operator.queries})
    exported = [f"{reader.name}{what}" for reader in readers for what in ("Inputs", "Outputs")]
    more = {
        **names,
        "readers": readers,
        "any_inputs": any(reader.inputs for reader in readers),
        "any_outputs": any(reader.outputs for reader in readers),
        "any_metrics": any(reader.metrics for reader in readers),
        "has_config": has_config,
        "exported": sorted([*exported, "Context", "Phase", "Queries", operator.kind]),
        "queries": queries,
        "from_abc": any("Sequence[" in a for query in queries for a in query.arguments),
    }
    return {
        f"generated/{name}.py": render(f"common/generated/{name}.py.j2", more) for name in MODULES
    }


def query_names(queries: QuerySet, own: Iterable[str]) -> list[QueryNames]:
    """All queries, the operator's own first."""
    mine = set(own)
    ordered = sorted(queries.values(), key=lambda query: (query.name not in mine, query.name))
    return [_query(query, builtin=query.name not in mine) for query in ordered]


def _query(query: Query, *, builtin: bool) -> QueryNames:
    wanted = "str" if builtin else _PLAIN
    arguments = [f"{snake(name)}: {wanted}" for name in query.parameters]
    for name, default in query.optional.items():
        spelled = snake(name)
        arguments.append(_OPTIONAL.get(spelled, f'{spelled}: str = "{{}}"').format(default))
    unit = getattr(query, "unit", "")
    origin = f"Built in; {unit}." if builtin and unit else "Declared in autopilot.yaml."
    return QueryNames(python_name(query.name), tuple(arguments), f"{query.name}. {origin}")
