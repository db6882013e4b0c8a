import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from chaos_records import at, failed, point, run, success

from autopilot.operators.chaos.report_html import html
from autopilot.operators.chaos.report_markdown import markdown
from autopilot.operators.chaos.report_model import (
    Cause,
    ConditionRecord,
    ExpectRecord,
    OverlayRecord,
    PhaseEntry,
    Point,
    RunRecord,
)
from autopilot.verdict.verdict import Verdict

EVIL = "<script>alert(1)</script> | `x` ]]> \" ' & *b* \n# head"

VOID = {"meta", "br"}


class Checker(HTMLParser):
    """All that is opened is closed in its order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.opened: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.opened == []
    return checker


def evil() -> RunRecord:
    condition = ConditionRecord(
        EVIL, EVIL, ">", 3.0, "", 1, (Point(at(1), 2.0, EVIL, Verdict.FALSE),)
    )
    return run(
        experiment=EVIL,
        uid=EVIL,
        spec={"target": EVIL},
        phases=(PhaseEntry(EVIL, at(0), EVIL),),
        conditions=(condition,),
        verdict=EVIL,
        cause=Cause(EVIL, EVIL, 2.0, at(1)),
        overlays=(OverlayRecord(EVIL, EVIL, at(1)),),
        expects=(ExpectRecord(EVIL, Verdict.TRUE, 1.0, EVIL),),
    )


@pytest.mark.parametrize("record", [failed(), run(), evil()], ids=["failed", "open", "evil"])
def test_a_page_is_whole_and_takes_nothing_from_elsewhere(record: RunRecord) -> None:
    page = html(record)
    found = parsed(page)
    assert {"script", "link", "img", "iframe", "image", "use"}.isdisjoint(found.seen)
    names = {name for name, _ in found.attributes}
    assert {"src", "href", "xlink:href", "onload", "style"}.isdisjoint(names)
    assert "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page
    for svg in re.findall(r"<svg.*?</svg>", page):
        ET.fromstring(svg)


def test_a_page_says_the_verdict_its_cause_and_each_part() -> None:
    found = parsed(html(failed()))
    for text in (
        "Failed",
        "success is 0.61, below 0.9 for 2 polls",
        "411 of 412 requests",
        "flag FI",
        "100 % get 500, 5 % delayed by 2s",
        "requests of reviews to ratings",
        "3.2 s",
        "decided",
        "fails < 90 %",
        "it isn't 2xx",
        "VirtualService shop/ratings",
        "not met",
        "p99 over 30s",
    ):
        assert text in found.text, text


def test_a_page_is_for_light_and_dark() -> None:
    page = html(failed())
    assert "prefers-color-scheme:dark" in page
    # Each colour that the style uses is one of both schemes.
    light, dark = (re.findall(r"(--[\w-]+):#", part) for part in page.split("@media", 2)[:2])
    assert sorted(light) == sorted(dark)
    assert set(re.findall(r"var\((--[\w-]+)\)", page)) <= {*light, "--tone", "--tone-bg"}


def test_a_change_that_is_not_undone_catches_the_eye() -> None:
    record = replace(failed(), overlays=(OverlayRecord("VirtualService a/b", "abort", at(4)),))
    assert "not undone" in html(record)


def test_unknown_polls_are_gaps_in_the_line_and_failing_ones_are_marked() -> None:
    values = [point(n, None if n in (5, 6) else 0.95 if n < 9 else 0.5) for n in range(12)]
    page = html(run(conditions=(success(*values),)))
    assert page.count('class="line"') == 2
    assert page.count('class="gap"') == 2
    assert page.count('class="dot bad"') == 3


@pytest.mark.parametrize("record", [failed(), run(), evil()], ids=["failed", "open", "evil"])
def test_each_row_of_a_table_in_markdown_has_as_many_cells_as_its_head(record: RunRecord) -> None:
    text = markdown(record)
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table
    outside = re.sub(r"^(`{3,})\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "<script>" not in outside


def test_markdown_says_the_verdict_its_cause_and_shows_the_course() -> None:
    text = markdown(failed())
    assert text.startswith("# shop/ratings-abort, run 1: Failed\n\n**success is 0.61")
    assert "| success | success rate over 30s | \\< 90 %, in 2 polls" in text
    assert "61 % … 100 %" in text
    assert "- expectations met: 1 of 2" in text
