"""A report as one HTML page: plots as inline SVG, light and dark, and nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import yaml

from autopilot.operators.chaos import report_facts as say
from autopilot.operators.chaos.report_style import STYLE
from autopilot.report.svg_plot import (
    LEFT,
    RIGHT,
    WIDTH,
    Band,
    Dot,
    Limit,
    Plot,
    across,
    draw,
    time_axis,
)
from autopilot.verdict.units import Unit
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from autopilot.operators.chaos.report_model import ConditionRecord, ExpectRecord, RunRecord

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page says itself that nothing is fetched and no script is run, whatever a text holds."""

_STRIP = 30
_LETTER = 6.6


def html(record: RunRecord) -> str:
    """The page."""
    verdict = say.verdict(record)
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(say.title(record))}: {escape(verdict)}</title>"
        f"<style>{STYLE}</style></head><body><main>"
    )
    return "".join([head, *_body(record, verdict), "</main></body></html>\n"])


def _body(record: RunRecord, verdict: str) -> Iterator[str]:
    tone = "good" if verdict in say.GOOD else "ill" if verdict in say.BAD else "unsure"
    yield f'<header class="{tone}"><p class="over">Experiment</p>'
    yield f'<h1>{escape(say.title(record))} <span class="verdict">{escape(verdict)}</span></h1>'
    if record.cause is not None:
        yield f'<p class="cause">{escape(record.cause.message)}</p>'
    yield "</header><dl>"
    for name, value, remark in say.facts(record):
        small = f"<small>{escape(remark)}</small>" if remark else ""
        yield f"<div><dt>{escape(name)}</dt><dd>{escape(value)}{small}</dd></div>"
    yield "</dl>"
    if record.phases:
        yield f"<section><h2>Course</h2>{_course(record)}</section>"
    for one in record.conditions:
        yield _condition(record, one)
    yield from _tables(record)
    spec = yaml.safe_dump(dict(record.spec), sort_keys=False, allow_unicode=True)
    yield f"<section><details><summary>Experiment</summary><pre>{escape(spec)}</pre></details>"
    yield f"<p class='foot'>Report {escape(record.namespace)}/{escape(record.name)}, "
    yield f"uid {escape(record.uid)}; times are seconds since {say.when(record.started)}.</p>"
    yield "</section>"


def _course(record: RunRecord) -> str:
    """The phases as a strip above the plots' time axis."""
    seconds = say.span(record)
    ends = [say.seconds(record, one.at) for one in record.phases[1:]]
    parts, right = [], WIDTH - RIGHT
    for one, end in zip(record.phases, [*ends, seconds], strict=True):
        x, to = across(say.seconds(record, one.at), seconds), across(end, seconds)
        width = max(to - x, 1.5)
        note = f"{one.phase} {say.offset(record, one.at)}"
        note += f": {one.message}" if one.message else ""
        parts.append(
            f'<rect class="phase {escape(one.phase.lower())}" x="{x:.1f}" y="4" '
            f'width="{width:.1f}" height="{_STRIP}" rx="3"><title>{escape(note)}</title></rect>'
        )
        if width > _LETTER * len(one.phase) + 8:
            parts.append(
                f'<text class="name" x="{x + width / 2:.1f}" y="{4 + _STRIP / 2 + 4}" '
                f'text-anchor="middle">{escape(one.phase)}</text>'
            )
    window, height = say.fault_window(record), _STRIP + 40
    if window is not None:
        x, to = across(window[0], seconds), across(window[1], seconds)
        parts.append(
            f'<rect class="fault-line" x="{x:.1f}" y="{_STRIP + 7}" '
            f'width="{max(to - x, 1):.1f}" height="4" rx="2"/>'
            f'<text class="tick" x="{LEFT - 8}" y="{_STRIP + 13}" text-anchor="end">fault on</text>'
        )
    line = f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{height - 22}" y2="{height - 22}"/>'
    axis = time_axis(seconds, height - 6)
    label = "The phases of the run over time"
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
        f"{''.join(parts)}{line}{axis}</svg>"
    )


def _condition(record: RunRecord, one: ConditionRecord) -> str:
    row, cause = say.summary(one), record.cause
    decided = cause is not None and cause.condition == one.name
    badge = ' <span class="tag ill">decided</span>' if decided else ""
    counts = f"{row.polls} polls"
    counts += f", {row.failing} failing" if row.failing else ""
    counts += f", {row.unknown} unknown" if row.unknown else ""
    counts += f", {len(one.points)} shown" if one.dropped else ""
    return (
        f"<section><h2>{escape(one.name)}{badge}</h2>"
        f'<p class="reads"><code>{escape(one.reads)}</code> fails when {escape(row.fails)}'
        f'<span class="counts">{escape(counts)}; lowest {escape(row.lowest)}, '
        f"highest {escape(row.highest)}</span></p>{draw(_plot(record, one))}</section>"
    )


def _plot(record: RunRecord, one: ConditionRecord) -> Plot:
    window, cause = say.fault_window(record), record.cause
    mark = None
    if cause is not None and cause.condition == one.name and cause.at is not None:
        mark = say.seconds(record, cause.at)
    share = say.unit_of(one) is Unit.RATIO
    limit = None
    if not say.is_webhook(one) and one.threshold is not None:
        below = {"<": True, ">": False}.get(one.operator[:1])
        limit = Limit(one.threshold, below, f"fails {say.fails_when(one).partition(',')[0]}")
    return Plot(
        title=f"{one.name}: {one.reads}",
        dots=[
            Dot(
                say.seconds(record, point.at),
                point.value,
                point.verdict is Verdict.TRUE,
                f"{say.offset(record, point.at)}: {say.shown(one, point.value)}"
                + (f" ({point.why})" if point.why else ""),
            )
            for point in one.points
        ],
        seconds=say.span(record),
        limit=limit,
        bands=[Band(*window, "fault")] if window is not None else [],
        mark=mark,
        say=lambda value: say.shown(one, value),
        within=(0.0, 1.0) if share else (0.0, None) if _positive(one) else (None, None),
    )


def _positive(one: ConditionRecord) -> bool:
    return all(point.value is None or point.value >= 0 for point in one.points)


def _tables(record: RunRecord) -> Iterator[str]:
    yield _table(
        "Expected of others",
        ("What", "Result", "After", "Seen last"),
        (
            (
                escape(one.what),
                _met(one),
                "–" if one.after is None else f"{one.after:.1f} s",
                escape(one.message),
            )
            for one in record.expects
        ),
    )
    yield _table(
        "Changes to the mesh",
        ("Object", "Change", "Made", "Undone"),
        (
            (
                f"<code>{escape(one.object)}</code>",
                escape(one.change),
                say.offset(record, one.made),
                say.offset(record, one.undone)
                if one.undone is not None
                else '<span class="tag ill">not undone</span>',
            )
            for one in record.overlays
        ),
    )
    yield _table(
        "Phases",
        ("Phase", "At", "Why"),
        (
            (escape(one.phase), say.offset(record, one.at), escape(one.message))
            for one in record.phases
        ),
    )


def _met(one: ExpectRecord) -> str:
    tone = {Verdict.TRUE: "good", Verdict.FALSE: "ill", Verdict.UNKNOWN: "unsure"}[one.met]
    return f'<span class="tag {tone}">{say.MET[one.met]}</span>'


def _table(heading: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    found = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not found:
        return ""
    head = "".join(f"<th>{name}</th>" for name in names)
    return (
        f'<section><h2>{heading}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{found}</tbody></table></div></section>"
    )
