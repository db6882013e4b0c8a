"""Field types of a rule: shares, ladders, waits, counts; each with a schema for editors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import core_schema

from autopilot.base import durations
from autopilot.verdict.hold import Times
from autopilot.verdict.wait import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_RUNGS = 20
"""How many rungs a ladder may have."""

_ANY = {"x-kubernetes-preserve-unknown-fields": True}
_SHARE = {
    "anyOf": [
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$"},
        {"type": "number", "minimum": 0, "maximum": 100},
    ]
}


def percent(value: Any) -> float:
    """Read a share as people write it: `25%`, or 25.

    Returns:
        0 to 100.

    Raises:
        ValueError: It is none; the message says what would be right.
    """
    number: float
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            number = float(value.strip()[:-1])
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no share; write it like 25%") from None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # A whole number may be too large for a float.
        number = float(value) if -1e6 < value < 1e6 else 1e6
        if 0 < number < 1:
            raise ValueError(f"{value} is less than one percent; write {number:.0%} or {value}%")
    else:
        raise ValueError(f"{_shown(value)!r} is no share; write it like 25%")
    if not 0 <= number <= 100:
        raise ValueError(f"{_shown(value)} is outside 0% to 100%; a share is of all requests")
    return number


def _shown(value: Any) -> str:
    """A value in a message; Python refuses to write out whole numbers of thousands of digits."""
    if isinstance(value, int) and abs(value) > 10**40:
        return "a huge number"
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def render_percent(share: float) -> str:
    """A share as people write it."""
    return f"{share:.6f}".rstrip("0").rstrip(".") + "%"


def _ladder(value: Any) -> tuple[float, ...]:
    rungs = value if isinstance(value, list | tuple) else (value,)
    if not rungs:
        raise ValueError("a ladder has no rungs; write it like [10%, 50%, 100%]")
    if len(rungs) > MOST_RUNGS:
        raise ValueError(f"a ladder of {len(rungs)} rungs; at most {MOST_RUNGS}")
    return tuple(percent(rung) for rung in rungs)


def _render_ladder(rungs: tuple[float, ...]) -> str | list[str]:
    texts = [render_percent(rung) for rung in rungs]
    return texts[0] if len(texts) == 1 else texts


Share = Annotated[
    float,
    BeforeValidator(percent),
    PlainSerializer(render_percent),
    WithJsonSchema({**_ANY, **_SHARE}),
]
"""A share of requests, 0 to 100."""

Ladder = Annotated[
    tuple[float, ...],
    BeforeValidator(_ladder),
    PlainSerializer(_render_ladder),
    WithJsonSchema(
        {
            **_ANY,
            "anyOf": [
                *_SHARE["anyOf"],
                {"type": "array", "items": _SHARE, "minItems": 1, "maxItems": MOST_RUNGS},
            ],
        }
    ),
]
"""A share, or the rungs that a phase climbs one after another."""


@dataclass(frozen=True)
class _Spelled:
    """Makes a field type of a class that pydantic doesn't know, written as a text."""

    read: Callable[[Any], Any]
    write: Callable[[Any], str]
    pattern: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": self.pattern}


@dataclass(frozen=True)
class Or:
    """In schemas: this one text stands for a map."""

    text: str

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**_ANY, "anyOf": [{"type": "string", "enum": [self.text]}, handler(schema)]}


def _times(value: Any) -> Times:
    if isinstance(value, Times):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} isn't like 3/5; so many true of so many samples")
    return Times.parse(value)


TimesOf = Annotated[
    Times,
    _Spelled(_times, lambda times: f"{times.k}/{times.n}", r"^[0-9]+ */ *[0-9]+$"),
]
"""`3/5`: true of three of the last five samples."""


def _wait(value: Any) -> Wait:
    if isinstance(value, Wait):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit; write 15s, or 1m..30m for one that doubles")
    return Wait.parse(value)


_ONE = durations.PATTERN.removeprefix("^").removesuffix("$")

WaitFor = Annotated[
    Wait,
    _Spelled(_wait, str, rf"^{_ONE}( *\.\. *{_ONE})?$"),
]
"""`15s`, or `1m..30m`, which doubles with each failed visit."""

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_]*)$")]
"""The name of a phase."""

Service = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""The bare name of a Service."""

Backend = Annotated[
    str,
    Field(max_length=127, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(/[A-Za-z0-9][-A-Za-z0-9_.]*)?$"),
]
"""`service`, or `service/subset`."""

Text = Annotated[str, Field(min_length=1, max_length=2000)]
"""A condition."""


def _texts(value: Any) -> Any:
    """One text stands for a list of one."""
    return (value,) if isinstance(value, str) else value


Texts = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=253)], ...],
    BeforeValidator(_texts),
    Field(max_length=50),
    WithJsonSchema(
        {**_ANY, "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    ),
]
"""Some texts; one may stand without its list."""
