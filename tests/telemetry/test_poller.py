"""The poller over virtual time, against a source that counts what it is asked."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from telemetry_kit import advance

from autopilot.base.clock import VirtualClock
from autopilot.telemetry.answers import Answer
from autopilot.telemetry.poller import Poller
from autopilot.telemetry.provider import MetricsReader
from autopilot.telemetry.queries import QuerySet, QueryTemplate
from autopilot.telemetry.query import PART
from autopilot.telemetry.sample import Why
from autopilot.telemetry.source import QueryRefused, Series, SourceDown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

QUERIES = QuerySet(
    [
        QueryTemplate("plain", ("a",), 'm{a="{{ a }}"}'),
        QueryTemplate("quick", (), "quick", interval=1.0),
    ]
)


@dataclass
class Source:
    """Every workload has the value; scraped at the present second unless told otherwise."""

    clock: VirtualClock
    value: float = 0.5
    frozen_at: float | None = None
    error: Exception | None = None
    hang: bool = False
    warnings: tuple[str, ...] = ()
    extra: list[Series] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0
    address: str = "test"

    async def query(self, promql: str, *, timeout: float) -> Sequence[Series]:
        self.asked.append(promql)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            if self.hang:
                await asyncio.Event().wait()
            if self.error:
                raise self.error
            return Answer(self.answer(promql), self.warnings)
        finally:
            self.running -= 1

    def answer(self, promql: str) -> list[Series]:
        now = self.clock.now().timestamp()
        if "destination_workload" not in promql:
            return [Series({}, self.value, now), *self.extra]
        scraped = math.floor(now) if self.frozen_at is None else self.frozen_at
        found = []
        for number in range(300):
            name = f"web-{number}"
            if f'"{name}"' in promql or f"|{name}|" in promql.replace('"', "|"):
                labels = {"destination_workload_namespace": "demo", "destination_workload": name}
                for part, value in (("value", self.value), ("requests", 100), ("at", scraped)):
                    found.append(Series({**labels, PART: part}, value, now))
        return found

    async def close(self) -> None:
        pass


@dataclass
class Rig:
    clock: VirtualClock
    source: Source
    poller: Poller
    woken: list[Any]
    stop: asyncio.Event

    def reader(self, key: str) -> MetricsReader:
        return MetricsReader(QUERIES, self.poller, key, namespace="demo")


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    clock = VirtualClock()
    source = Source(clock)
    woken: list[Any] = []
    poller = Poller(source, clock, default_interval=5, timeout=3, on_sample=woken.append)
    stop = asyncio.Event()
    task = asyncio.create_task(poller.run(stop))
    await advance(clock, 0)
    yield Rig(clock, source, poller, woken, stop)
    stop.set()
    await asyncio.wait_for(task, 5)
    assert source.running == 0


async def test_the_first_ask_goes_out_at_once_and_later_ones_get_the_same_answer(rig: Rig) -> None:
    first = await rig.reader("a").error_rate(name="web-1")
    assert (first.value, first.requests, first.why) == (0.5, 100, Why.KNOWN)
    assert first.at == rig.clock.now()
    await advance(rig.clock, 4.9)
    again = await rig.reader("b").error_rate(name="web-1")
    assert again == first
    assert again.judgements is not first.judgements
    assert len(rig.source.asked) == 1


async def test_asks_of_one_moment_are_one_request_and_one_flight(rig: Rig) -> None:
    samples = await asyncio.gather(
        *(rig.reader(str(n)).error_rate(name=f"web-{n % 4}") for n in range(20))
    )
    assert len(rig.source.asked) == 1
    assert {sample.value for sample in samples} == {0.5}


async def test_many_targets_are_polled_in_requests_of_at_most_a_hundred(rig: Rig) -> None:
    await asyncio.gather(*(rig.reader(str(n)).error_rate(name=f"web-{n}") for n in range(250)))
    assert len(rig.source.asked) == 3
    await advance(rig.clock, 5.01)
    assert len(rig.source.asked) == 6
    assert rig.poller.subscriptions == 250


async def test_a_new_sample_wakes_its_readers_and_the_same_one_does_not(rig: Rig) -> None:
    await rig.reader("a").error_rate(name="web-1")
    await rig.reader("b").plain(a="x")
    assert rig.woken == []
    await advance(rig.clock, 5.1)
    # A new scrape is new even with the same value; a template's time is only the query's own.
    assert rig.woken == ["a"]
    rig.source.frozen_at = rig.clock.now().timestamp() // 1
    rig.source.value = 0.7
    await advance(rig.clock, 5)
    assert sorted(rig.woken) == ["a", "a", "b"]
    await advance(rig.clock, 5)
    assert sorted(rig.woken) == ["a", "a", "b"]


async def test_an_unused_subscription_lapses_and_a_used_one_does_not(rig: Rig) -> None:
    await rig.reader("gone").error_rate(name="web-1")
    for _ in range(10):
        await advance(rig.clock, 5)
        await rig.reader("used").error_rate(name="web-2")
    assert rig.poller.subscriptions == 1
    assert "web-1" not in rig.source.asked[-1]
    assert rig.woken.count("gone") == 3
    rig.poller.forget("used")
    await advance(rig.clock, 5.1)
    assert rig.poller.subscriptions == 0
    asked = len(rig.source.asked)
    await advance(rig.clock, 60)
    assert len(rig.source.asked) == asked


async def test_a_query_has_an_interval_of_its_own(rig: Rig) -> None:
    await rig.reader("a").quick()
    for _ in range(10):
        await advance(rig.clock, 1)
        await rig.reader("a").quick()
    assert 10 <= len(rig.source.asked) <= 12


async def test_a_reader_without_news_keeps_its_place_for_ten_minutes(rig: Rig) -> None:
    rig.source.error = SourceDown("refused")
    await rig.reader("a").quick()
    await advance(rig.clock, 590)
    assert rig.woken == []
    rig.source.error = None
    await advance(rig.clock, 1.1)
    assert rig.woken == ["a"]
    await advance(rig.clock, 610)
    assert rig.poller.subscriptions == 0


async def test_a_source_that_is_down_says_so_to_all_and_is_asked_again_soon(rig: Rig) -> None:
    rig.source.error = SourceDown("refused")
    down = await rig.reader("a").error_rate(name="web-1")
    assert (down.value, down.why, down.detail) == (None, Why.SOURCE_DOWN, "refused")
    for _ in range(50):
        await rig.reader("a").error_rate(name="web-1")
    assert len(rig.source.asked) == 1
    rig.source.error = None
    await advance(rig.clock, 1)
    assert rig.woken == ["a"]
    assert (await rig.reader("a").error_rate(name="web-1")).value == 0.5
    assert len(rig.source.asked) == 2


async def test_the_back_off_never_exceeds_the_interval(rig: Rig) -> None:
    rig.source.error = SourceDown("refused")
    for _ in range(60):
        await rig.reader("a").quick()
        await advance(rig.clock, 0.5)
    assert 28 <= len(rig.source.asked) <= 34


@pytest.mark.parametrize(("window", "known"), [("5s", 20), ("40s", 20), ("2m", 60)])
async def test_what_is_older_than_20_seconds_and_half_its_window_is_stale(
    rig: Rig, window: str, known: int
) -> None:
    rig.source.frozen_at = rig.clock.now().timestamp()
    reader = rig.reader("a")
    for _ in range(0, known + 5, 5):
        assert (await reader.error_rate(name="web-1", interval=window)).why is Why.KNOWN
        await advance(rig.clock, 5)
    sample = await reader.error_rate(name="web-1", interval=window)
    assert (sample.why, sample.value, sample.requests) == (Why.STALE, None, None)
    assert sample.at is not None
    assert f"{known + 5}.0 s ago" in sample.detail


@pytest.mark.parametrize(
    ("value", "extra", "why"),
    [
        (math.nan, [], Why.NOT_FINITE),
        (math.inf, [], Why.NOT_FINITE),
        (-math.inf, [], Why.NOT_FINITE),
        (1.0, [Series({"b": "c"}, 2, 0)], Why.AMBIGUOUS),
        (0.0, [], Why.KNOWN),
    ],
)
async def test_what_is_not_known_is_told_apart(
    rig: Rig, value: float, extra: list[Series], why: Why
) -> None:
    rig.source.value, rig.source.extra = value, extra
    sample = await rig.reader("a").plain(a="x")
    assert sample.why is why
    assert (sample.value is None) is (why is not Why.KNOWN)


async def test_a_target_without_series_has_no_data(rig: Rig) -> None:
    sample = await rig.reader("a").error_rate(name="nobody")
    assert (sample.value, sample.why, sample.at) == (None, Why.NO_DATA, None)


async def test_a_refused_query_is_no_outage(rig: Rig) -> None:
    rig.source.error = QueryRefused("parse error")
    sample = await rig.reader("a").plain(a="x")
    assert (sample.why, sample.detail) == (Why.REFUSED, "parse error")


async def test_a_broken_source_is_down_and_warnings_are_shown(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.source.error = ZeroDivisionError("bug")
    sample = await rig.reader("a").plain(a="x")
    assert sample.why is Why.SOURCE_DOWN
    assert "a metrics source broke" in caplog.text
    rig.source.error, rig.source.warnings = None, ("partial answer",)
    assert (await rig.reader("a").plain(a="y")).detail == "partial answer"


async def test_a_cancelled_reader_takes_nothing_from_the_others(rig: Rig) -> None:
    rig.source.hang = True
    first = asyncio.create_task(rig.reader("a").plain(a="x"))
    second = asyncio.create_task(rig.reader("b").plain(a="x"))
    for _ in range(5):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
    assert not second.done()
    rig.stop.set()
    sample = await asyncio.wait_for(second, 5)
    assert sample.why is Why.SOURCE_DOWN
    late = await rig.reader("c").plain(a="z")
    assert late.detail == "shutting down"


async def test_a_hanging_source_is_asked_only_so_much_at_once(rig: Rig) -> None:
    rig.source.hang = True
    tasks = [asyncio.create_task(rig.reader("a").plain(a=str(n))) for n in range(30)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert rig.source.most == 8
    await advance(rig.clock, 60)
    assert len(rig.source.asked) == 8
    rig.stop.set()
    await asyncio.gather(*tasks)


async def test_without_a_source_every_sample_is_down() -> None:
    poller = Poller(None, VirtualClock(), default_interval=5, timeout=3)
    sample = await MetricsReader(QUERIES, poller, "a").plain(a="x")
    assert (sample.why, sample.promql) == (Why.SOURCE_DOWN, 'm{a="x"}')


async def test_a_reader_lists_the_queries_it_knows_and_records_its_reads(rig: Rig) -> None:
    reader = rig.reader("a")
    with pytest.raises(AttributeError, match="no query 'eror_rate'; there are envoy_request"):
        _ = reader.eror_rate
    assert "error_rate" in dir(reader)
    assert "error-rate(Namespace, Name, Interval=30s" in repr(reader.error_rate)
    await reader.error_rate(name="web-1", namespace="demo")
    await reader.plain(a="x")
    assert [sample.query for sample in reader.reads] == ["error-rate", "plain"]


async def test_an_idle_poller_does_nothing(rig: Rig) -> None:
    await advance(rig.clock, 3600)
    assert rig.source.asked == []
    assert rig.clock.next_wake() is None


class LateClock(VirtualClock):
    """Wakes a tenth of a second late, as a busy machine does."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds + 0.1)


async def test_polls_that_are_late_do_not_drift() -> None:
    clock = LateClock()
    source, stop = Source(clock), asyncio.Event()
    poller = Poller(source, clock, default_interval=5, timeout=3)
    task = asyncio.create_task(poller.run(stop))
    reader = MetricsReader(QUERIES, poller, "a", namespace="demo")
    await reader.plain(a="1")
    polls: list[float] = []
    began = clock.monotonic()
    for _ in range(1010):
        asked = len(source.asked)
        await advance(clock, 0.1)
        polls += [clock.monotonic() - began] * (len(source.asked) - asked)
        if len(source.asked) > asked:
            await reader.plain(a="1")
    assert polls == pytest.approx([5.1 + 5 * n for n in range(len(polls))], abs=0.15)
    assert len(polls) == 20
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_polls_that_were_missed_are_not_made_up_for(rig: Rig) -> None:
    await rig.reader("a").plain(a="1")
    rig.clock.move(52)
    await advance(rig.clock, 2.9)
    assert len(rig.source.asked) == 2
    await advance(rig.clock, 0.2)
    assert len(rig.source.asked) == 3
