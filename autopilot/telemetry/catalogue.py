"""The built-in queries by name, and how their arguments bind."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.telemetry import promql
from autopilot.telemetry.builtins import EnvoyFamily, IstioFamily
from autopilot.telemetry.queries import (
    Argument,
    as_text,
    match_arguments,
    refuse,
)
from autopilot.telemetry.query import BoundQuery, Family, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_WINDOW = "30s"
"""Holds two scrapes even at a scrape interval of 15 s; give `5s` where scrapes are sub-second."""


@dataclass(frozen=True)
class Builtin:
    """A query that needs no declaration.

    Attributes:
        name: As workers' projects spell it.
        measure: `success` (percent), `errors` (0 to 1), `latency` (ms) or `rate` (per second).
        unit: For people: `%`, `ratio`, `ms`, `1/s`.
        mesh: Whose metric names: `istio` or `envoy`.
        parameters: `Namespace` and `Name` of the destination workload.
    """

    name: str
    measure: str
    unit: str
    mesh: str = "istio"
    parameters: tuple[str, ...] = ("Namespace", "Name")
    interval: float | None = field(default=None, init=False)

    @property
    def optional(self) -> Mapping[str, str]:
        """`Interval` is the window; `route` lists the services that share the target's route."""
        extra = {"Interval": DEFAULT_WINDOW}
        if self.measure == "latency":
            extra["quantile"] = "0.99"
        if self.mesh == "istio":
            extra |= {"route": "none", "reporter": "source"}
        return extra

    def problems(self) -> list[str]:
        """None."""
        return []

    def bind(self, arguments: Mapping[str, Argument]) -> BoundQuery:
        """Fill the parameters in.

        Raises:
            ArgumentError: One is missing, unknown or unfit.
        """
        found, wrong = match_arguments(self, arguments)
        route_given = found.pop("route", ())
        values: dict[str, str] = {}
        for name, value in found.items():
            try:
                values[name] = as_text(value)
            except TypeError as error:
                wrong.append(f"{name}: {error}")
        if wrong:
            raise refuse(self, wrong)
        try:
            route = _route(route_given, values["Namespace"])
            family = self._family(values)
            target = Target(values["Namespace"], values["Name"], route)
            family.promql([target])
        except ValueError as error:
            raise refuse(self, [str(error)]) from error
        if route:
            values["route"] = ",".join(name for _, name in route)
        return BoundQuery(family, target, tuple(sorted(values.items())), self.interval)

    def _family(self, values: Mapping[str, str]) -> Family:
        window = promql.window(values.get("Interval", DEFAULT_WINDOW))
        quantile = float(values.get("quantile", "0.99"))
        reporter = values.get("reporter", "source")
        if not (math.isfinite(quantile) and 0 < quantile < 1):
            raise ValueError(f"quantile is between 0 and 1, not {quantile:g}")
        if reporter not in {"source", "destination"}:
            raise ValueError(f"reporter is source or destination, not {reporter!r}")
        if self.mesh == "envoy":
            return EnvoyFamily(self.name, self.measure, window, quantile)
        return IstioFamily(self.name, self.measure, window, quantile, reporter)


def _route(given: Argument, namespace: str) -> tuple[tuple[str, str], ...]:
    """Services as (namespace, name); a name may be qualified, as in `web.demo`."""
    if isinstance(given, str):
        given = (given,)
    if not isinstance(given, list | tuple | set | frozenset) or not all(
        isinstance(name, str) and name for name in given
    ):
        raise ValueError("route is a list of service names")
    pairs = {
        (name.split(".")[1] if "." in name else namespace, name.split(".")[0]) for name in given
    }
    return tuple(sorted(pairs))


BUILTINS: tuple[Builtin, ...] = (
    Builtin("istio-success-rate", "success", "%"),
    Builtin("istio-request-duration", "latency", "ms"),
    Builtin("envoy-success-rate", "success", "%", "envoy"),
    Builtin("envoy-request-duration", "latency", "ms", "envoy"),
    Builtin("error-rate", "errors", "ratio"),
    Builtin("latency", "latency", "ms"),
    Builtin("request-rate", "rate", "1/s"),
)
