"""A quantity over time as inline SVG: classes and no colours, so that a page's style rules them.

Classes: `grid`, `tick` (text), `band NAME`, `bad` (the side of a limit that fails), `limit`,
`limit-text`, `line`, `dot`, `dot bad`, `gap` (nothing known), `mark` (what decided).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from autopilot.report import axis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WIDTH, LEFT, RIGHT, TOP, AXIS = 900, 72, 16, 14, 26
_MOST_DOTS = 400


@dataclass(frozen=True, slots=True)
class Dot:
    """A value at a time.

    Attributes:
        at: Seconds on the axis.
        value: None where it isn't known.
        bad: Whether it is one that fails.
        note: For whoever points at it.
    """

    at: float
    value: float | None
    bad: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time behind the plot.

    Attributes:
        begin: Seconds.
        end: Seconds.
        name: A class.
        label: Short; empty for none.
    """

    begin: float
    end: float
    name: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """A line across, with a bad side.

    Attributes:
        value: Where.
        below: Whether the bad side is below; None where both or neither is.
        label: Short.
    """

    value: float
    below: bool | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot.

    Attributes:
        title: For those who don't see it.
        dots: In the order of time.
        seconds: What the time axis spans.
        limit: See `Limit`.
        bands: See `Band`.
        mark: The time of what decided; None for nothing.
        say: A value for people.
        within: What the scale may span at most, like (0, 1) for a share.
        height: Pixels.
    """

    title: str
    dots: Sequence[Dot]
    seconds: float
    limit: Limit | None = None
    bands: Sequence[Band] = ()
    mark: float | None = None
    say: Callable[[float], str] = field(default=lambda value: f"{value:g}")
    within: tuple[float | None, float | None] = (None, None)
    height: int = 190


def draw(plot: Plot) -> str:
    """The plot as an `<svg>`."""
    return "".join(_Drawing(plot).parts())


def across(at: float, seconds: float) -> float:
    """Where a time lies, in pixels from the left; plots one above another share their axis."""
    return LEFT + max(0.0, min(1.0, at / max(seconds, 1e-9))) * (WIDTH - LEFT - RIGHT)


def time_axis(seconds: float, y: float) -> str:
    """The labels of the time axis."""
    return "".join(
        f'<text class="tick" x="{across(at, seconds):.1f}" y="{y:.1f}" '
        f'text-anchor="middle">{axis.clock(at)}</text>'
        for at in axis.time_ticks(seconds)
    )


class _Drawing:
    def __init__(self, plot: Plot) -> None:
        self._plot = plot
        self._ticks = _scale(plot)
        self._low, self._high = self._ticks[0], self._ticks[-1]
        self._bottom = plot.height - AXIS

    def parts(self) -> Iterator[str]:
        plot = self._plot
        yield (
            f'<svg viewBox="0 0 {WIDTH} {plot.height}" role="img" '
            f'aria-label="{escape(plot.title)}" class="plot">'
        )
        yield from self._bands()
        yield from self._grid()
        yield from self._limit()
        yield from self._lines()
        yield from self._dots()
        yield from self._mark()
        yield time_axis(plot.seconds, plot.height - 8)
        yield "</svg>"

    def _x(self, at: float) -> float:
        return across(at, self._plot.seconds)

    def _y(self, value: float) -> float:
        part = (value - self._low) / (self._high - self._low)
        return self._bottom - max(0.0, min(1.0, part)) * (self._bottom - TOP)

    def _bands(self) -> Iterator[str]:
        for band in self._plot.bands:
            x, width = self._x(band.begin), self._x(band.end) - self._x(band.begin)
            yield (
                f'<rect class="band {escape(band.name)}" x="{x:.1f}" y="{TOP}" '
                f'width="{max(width, 1):.1f}" height="{self._bottom - TOP}"/>'
            )
            if band.label and width > 7 * len(band.label):
                text = escape(band.label)
                yield f'<text class="tick" x="{x + 4:.1f}" y="{TOP - 3}">{text}</text>'

    def _grid(self) -> Iterator[str]:
        right = WIDTH - RIGHT
        for value in self._ticks:
            y = self._y(value)
            yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield (
                f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                f"{escape(self._plot.say(value))}</text>"
            )

    def _limit(self) -> Iterator[str]:
        limit = self._plot.limit
        if limit is None:
            return
        y, right = self._y(limit.value), WIDTH - RIGHT
        if limit.below is not None:
            top, bottom = (y, self._bottom) if limit.below else (TOP, y)
            yield (
                f'<rect class="bad" x="{LEFT}" y="{top:.1f}" width="{right - LEFT}" '
                f'height="{max(0.0, bottom - top):.1f}"/>'
            )
        yield f'<line class="limit" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        # On the good side, but never outside the frame.
        above = y - 5 if limit.below is not False else y + 13
        above = min(max(above, TOP + 11), self._bottom - 4)
        yield (
            f'<text class="tick limit-text" x="{right - 4}" y="{above:.1f}" text-anchor="end">'
            f"{escape(limit.label)}</text>"
        )

    def _lines(self) -> Iterator[str]:
        line: list[str] = []
        for dot in (*self._plot.dots, Dot(0.0, None)):
            if dot.value is not None:
                line.append(f"{self._x(dot.at):.1f},{self._y(dot.value):.1f}")
            elif line:
                # One value alone has no line; its dot shows it.
                if len(line) > 1:
                    yield f'<polyline class="line" points="{" ".join(line)}"/>'
                line = []

    def _dots(self) -> Iterator[str]:
        dots = self._plot.dots
        plain = 2.0 if len(dots) < _MOST_DOTS // 2 else 1.2
        for dot in dots:
            where, note = f'cx="{self._x(dot.at):.1f}"', ""
            if dot.note:
                note = f"<title>{escape(dot.note)}</title>"
            if dot.value is None:
                where += f' cy="{self._bottom - 3}"'
                yield f'<circle class="gap" {where} r="2.5">{note}</circle>'
            elif dot.bad or len(dots) <= _MOST_DOTS:
                where += f' cy="{self._y(dot.value):.1f}"'
                look = 'class="dot bad" r="3"' if dot.bad else f'class="dot" r="{plain:g}"'
                yield f"<circle {look} {where}>{note}</circle>"

    def _mark(self) -> Iterator[str]:
        at = self._plot.mark
        known = [dot for dot in self._plot.dots if dot.value is not None]
        if at is None or not known:
            return
        dot = min(known, key=lambda one: abs(one.at - at))
        x, y = self._x(dot.at), self._y(dot.value or 0.0)
        yield f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'


def _scale(plot: Plot) -> list[float]:
    values = [dot.value for dot in plot.dots if dot.value is not None]
    values += [plot.limit.value] if plot.limit is not None else []
    low, high = min(values, default=0.0), max(values, default=1.0)
    least, most = plot.within
    room = (high - low) * 0.08
    low, high = low - room, high + room
    low = low if least is None else max(least, low)
    high = high if most is None else min(most, high)
    found = axis.ticks(low, max(low, high))
    if least is not None:
        found = [least, *(one for one in found if one > least)] if found[0] < least else found
    if most is not None:
        found = [*(one for one in found if one < most), most] if found[-1] > most else found
    return found if len(found) > 1 else axis.ticks(found[0] - 1, found[0] + 1)
