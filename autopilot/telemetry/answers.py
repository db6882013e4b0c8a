"""Reading what Prometheus's API answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from autopilot.telemetry.source import QueryRefused, RangeSeries, Series, SourceDown


class Answer(Sequence[Series]):
    """Series, and what the source warned of beside them.

    Attributes:
        warnings: Like a partial answer of a federated source.
    """

    def __init__(self, series: Sequence[Series], warnings: tuple[str, ...] = ()) -> None:
        self._series = tuple(series)
        self.warnings = warnings

    @overload
    def __getitem__(self, index: int) -> Series: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Series]: ...
    def __getitem__(self, index: int | slice) -> Series | Sequence[Series]:
        """One series, or some."""
        return self._series[index]

    def __len__(self) -> int:
        """How many series."""
        return len(self._series)


def series_of(result: Any, address: str) -> list[Series]:
    """Read an instant query's `result`.

    Raises:
        SourceDown: It makes no sense.
        QueryRefused: It answers with ranges.
    """
    try:
        if len(result) == 2 and not isinstance(result[0], dict):
            return [Series({}, float(result[1]), float(result[0]))]
        if any("values" in entry for entry in result):
            raise QueryRefused("the query answers with a range of samples where one is asked for")
        return [
            Series(
                {name: text for name, text in entry["metric"].items() if name != "__name__"},
                float(entry["value"][1]),
                float(entry["value"][0]),
            )
            for entry in result
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceDown(f"{address}: not an answer of Prometheus") from error


def range_series_of(result: Any, address: str) -> list[RangeSeries]:
    """Read a range query's `result`.

    Raises:
        SourceDown: It makes no sense.
    """
    try:
        return [
            RangeSeries(
                {name: text for name, text in entry["metric"].items() if name != "__name__"},
                [(float(at), float(value)) for at, value in entry["values"]],
            )
            for entry in result
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceDown(f"{address}: not an answer of Prometheus") from error
