"""Named queries: what an operator declares and what is built in, and how arguments bind to them."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from autopilot.base import durations
from autopilot.base.errors import TerminalError
from autopilot.telemetry.query import BoundQuery, Parts, Target, plain_parts
from autopilot.telemetry.templates import BadTemplate, Compiled, compile_template, key

if TYPE_CHECKING:
    from autopilot.telemetry.source import Series

Argument = str | int | float | timedelta | Sequence[str]
"""A duration may be given as a timedelta; a list only where a built-in takes one (`route`)."""


class ArgumentError(TerminalError, TypeError):
    """A query was asked with wrong arguments; names them all."""


class Query(Protocol):
    """A named query."""

    @property
    def name(self) -> str:
        """As declared, like `istio-success-rate`."""
        ...

    @property
    def parameters(self) -> tuple[str, ...]:
        """Those that must be given."""
        ...

    @property
    def optional(self) -> Mapping[str, str]:
        """Those that may be given, with what they are otherwise (as text, for people)."""
        ...

    def bind(self, arguments: Mapping[str, Argument]) -> BoundQuery:
        """Fill the parameters in; `ArgumentError` if they don't fit."""
        ...

    def problems(self) -> list[str]:
        """All that is wrong with the query itself."""
        ...


def python_name(name: str) -> str:
    """The attribute by which a worker asks a query: `istio-success-rate` → `istio_success_rate`."""
    made = re.sub(r"\W", "_", name)
    if not made or made[0].isdigit() or made.startswith("_"):
        made = "q" + made if made.startswith("_") else "q_" + made
    return made + "_" if keyword.iskeyword(made) else made


def as_text(value: object) -> str:
    """Write an argument as text.

    Raises:
        TypeError: It is of no sort that a query takes.
    """
    if isinstance(value, bool) or value is None:
        raise TypeError(f"{value!r} is neither text nor number nor duration")
    if isinstance(value, timedelta):
        return durations.render(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    raise TypeError(f"{type(value).__name__} is neither text nor number nor duration")


def match_arguments(
    query: Query, arguments: Mapping[str, Argument]
) -> tuple[dict[str, Argument], list[str]]:
    """Sort arguments under the parameters' own spelling; also says what doesn't fit."""
    known = {key(name): name for name in (*query.parameters, *query.optional)}
    found: dict[str, Argument] = {}
    wrong: list[str] = []
    for name, value in arguments.items():
        declared = known.get(key(name))
        if declared is None:
            wrong.append(f"no parameter {name!r}")
        elif declared in found:
            wrong.append(f"{declared} is given twice")
        else:
            found[declared] = value
    wrong += [f"{name} is missing" for name in query.parameters if name not in found]
    return found, wrong


def refuse(query: Query, wrong: Iterable[str]) -> ArgumentError:
    """The error for arguments that don't fit."""
    takes = ", ".join((*query.parameters, *(f"{name}={v}" for name, v in query.optional.items())))
    return ArgumentError(f"query {query.name}: {'; '.join(wrong)}; it takes ({takes})")


@dataclass(frozen=True, slots=True)
class TemplateFamily:
    """A rendered template: always asked alone.

    Attributes:
        query: The query's name.
        text: The PromQL.
        ago: How many seconds in the past the text is evaluated.
    """

    query: str
    text: str
    ago: float = 0.0

    @property
    def batch(self) -> int:
        """One: only its author knows what it is about."""
        return 1

    @property
    def span(self) -> float:
        """A template's window, if it has one, is its author's business."""
        return 0.0

    @property
    def timed(self) -> bool:
        """Only if the template adds an `at` part (see `query.PART`)."""
        return False

    def promql(self, targets: Sequence[Target]) -> str:
        """The text; for the past, as the last value of a subquery that ended then."""
        del targets
        if not self.ago:
            return self.text
        # On a line of its own, since the text may end in a comment.
        return f"last_over_time((\n{self.text}\n)[1ms:1ms] offset {durations.render(self.ago)})"

    def parts(self, series: Sequence[Series], target: Target) -> Parts:
        """The whole answer."""
        del target
        return plain_parts(series, self.ago)

    def parts_of(self, series: Sequence[Series], targets: Sequence[Target]) -> list[Parts]:
        """Each target's."""
        return [self.parts(series, target) for target in targets]


@dataclass(frozen=True)
class QueryTemplate:
    """A query of the operator's own.

    Attributes:
        name: As declared.
        parameters: As declared; all must be given.
        template: PromQL with placeholders; see `templates`.
        interval: Seconds between polls; None for the operator's own.
    """

    name: str
    parameters: tuple[str, ...]
    template: str
    interval: float | None = None
    optional: Mapping[str, str] = field(default_factory=dict, init=False)

    @cached_property
    def _compiled(self) -> Compiled | str:
        try:
            return compile_template(self.template)
        except BadTemplate as error:
            return str(error)

    def problems(self) -> list[str]:
        """All that is wrong: the template itself, parameters used but not declared."""
        wrong: list[str] = []
        keys = [key(name) for name in self.parameters]
        twice = sorted({name for name in self.parameters if keys.count(key(name)) > 1})
        if twice:
            wrong.append(f"parameters declared twice: {', '.join(twice)}")
        if not self.template.strip():
            wrong.append("the template is empty")
        if isinstance(self._compiled, str):
            return [*wrong, self._compiled]
        undeclared = sorted(name for name in self._compiled.names if key(name) not in keys)
        wrong += [f"parameter {name!r} is used but not declared" for name in undeclared]
        return wrong

    def bind(self, arguments: Mapping[str, Argument]) -> BoundQuery:
        """Render the template.

        Raises:
            ArgumentError: An argument is missing, unknown or unfit, or the template is wrong.
        """
        found, wrong = match_arguments(self, arguments)
        wrong += self.problems()
        values: dict[str, str] = {}
        for name, value in found.items():
            try:
                values[name] = as_text(value)
            except TypeError as error:
                wrong.append(f"{name}: {error}")
        if wrong or isinstance(self._compiled, str):
            raise refuse(self, wrong)
        try:
            text = self._compiled.render(values)
        except ValueError as error:
            raise refuse(self, [str(error)]) from error
        family = TemplateFamily(self.name, text)
        return BoundQuery(family, Target(), tuple(sorted(values.items())), self.interval)


class QuerySet(Mapping[str, Query]):
    """Queries by their Python name. A declared query takes the place of a built-in of its name.

    Args:
        queries: The operator's own.
    """

    def __init__(self, queries: Iterable[Query] = ()) -> None:
        from autopilot.telemetry.catalogue import BUILTINS  # it stands on this module

        self._own = tuple(queries)
        self._by_name = {python_name(query.name): query for query in (*BUILTINS, *self._own)}

    def __getitem__(self, name: str) -> Query:
        """The query of that Python name, or of the name as declared."""
        return self._by_name[python_name(name)]

    def __iter__(self) -> Iterator[str]:
        """The Python names."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """How many."""
        return len(self._by_name)

    def problems(self) -> list[str]:
        """All that is wrong with the operator's own queries, each with the query's name."""
        wrong = [f"{query.name}: {text}" for query in self._own for text in query.problems()]
        seen: dict[str, str] = {}
        for query in self._own:
            first = seen.setdefault(python_name(query.name), query.name)
            if first != query.name or [q.name for q in self._own].count(query.name) > 1:
                wrong.append(f"{query.name}: the name is taken by {first}")
        return list(dict.fromkeys(wrong))
