"""Each built-in against a real Prometheus whose target the test drives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from autopilot.telemetry.judge import Asked, judge
from autopilot.telemetry.queries import QuerySet, QueryTemplate
from autopilot.telemetry.sample import Sample, Why
from autopilot.telemetry.source import SourceDown

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Counters, Prometheus

    from autopilot.telemetry.prometheus import PrometheusSource

pytestmark = pytest.mark.envoy
QUERIES = QuerySet()


async def ask(source: PrometheusSource, query_name: str, /, **parameters: Any) -> Sample:
    given = {"namespace": "demo", "name": "web", "interval": "2s"} | parameters
    query = QUERIES[query_name].bind(given)
    series = await source.query(query.promql, timeout=5)
    return judge(
        query.family.parts(series, query.target), Asked(query_name, query.promql, True, 15)
    )


async def until(
    source: PrometheusSource, query_name: str, good: Callable[[Sample], bool], /, **parameters: Any
) -> Sample:
    sample = None
    try:
        async with asyncio.timeout(45):
            while True:
                sample = await ask(source, query_name, **parameters)
                if good(sample):
                    return sample
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never came true; the last sample was {sample}") from None


async def test_zero_errors_are_zero_and_no_traffic_is_no_data(
    source: PrometheusSource, counters: Counters, traffic: dict[str, dict[str, Any]]
) -> None:
    assert (await ask(source, "error-rate")).why is Why.NO_DATA
    traffic["web"] = {"count": 10}
    sample = await until(source, "error-rate", lambda s: s.value is not None)
    assert sample.value == 0
    assert sample.at is not None
    assert (await ask(source, "istio-success-rate")).value == pytest.approx(100)

    full = await until(source, "error-rate", lambda s: (s.requests or 0) > 300)
    assert full.requests == pytest.approx(400, rel=0.25)
    assert (await ask(source, "request-rate")).value == pytest.approx(200, rel=0.25)

    traffic.clear()
    quiet = await until(source, "error-rate", lambda s: s.value is None)
    assert (quiet.why, quiet.requests) == (Why.NO_DATA, 0)
    assert quiet.below(0.05).is_unknown
    assert (await ask(source, "latency")).why is Why.NO_DATA
    assert (await ask(source, "istio-success-rate")).why is Why.NO_DATA


async def test_the_first_errors_ever_show_as_errors_of_either_sort(
    source: PrometheusSource, traffic: dict[str, dict[str, Any]]
) -> None:
    traffic["web"] = {"count": 8}
    await until(source, "error-rate", lambda s: s.value == 0)
    traffic["web#5xx"] = {"count": 2, "response_code": "503"}
    sample = await until(source, "error-rate", lambda s: (s.value or 0) > 0.15)
    assert sample.above(0.05, min_requests=50).is_true
    await until(source, "istio-success-rate", lambda s: s.value == pytest.approx(80, abs=6))

    del traffic["web#5xx"]
    await until(source, "error-rate", lambda s: s.value == 0)
    traffic["web#grpc"] = {"count": 2, "response_code": "200", "grpc_response_status": "14"}
    traffic["web#both"] = {"count": 2, "response_code": "500", "grpc_response_status": "14"}
    traffic["web#ok"] = {"count": 4, "response_code": "200", "grpc_response_status": "0"}
    # 4 of 16, the one that is both counted once.
    await until(source, "error-rate", lambda s: abs((s.value or 0) - 0.25) < 0.02)


async def test_latency_is_the_quantile_in_milliseconds_and_bounded_by_the_last_bucket(
    source: PrometheusSource, traffic: dict[str, dict[str, Any]]
) -> None:
    traffic["web"] = {"count": 95, "ms": 3}
    traffic["web#slow"] = {"count": 5, "ms": 300}
    p50 = await until(source, "latency", lambda s: s.value is not None, quantile=0.5)
    assert p50.value is not None
    assert 1 <= p50.value <= 5
    p99 = await until(source, "latency", lambda s: (s.value or 0) > 100)
    assert 100 < (p99.value or 0) <= 500
    duration = await ask(source, "istio-request-duration")
    assert 100 < (duration.value or 0) <= 500
    traffic["web#slow"] = {"count": 50, "ms": 5000}
    endless = await until(source, "latency", lambda s: (s.value or 0) >= 1000)
    assert endless.value == 1000


async def test_a_crashed_workload_is_silent_on_its_busy_route(
    source: PrometheusSource, counters: Counters, traffic: dict[str, dict[str, Any]]
) -> None:
    route = ["web-primary", "web-canary"]
    traffic["web-primary"] = {"count": 9}
    traffic["web-canary"] = {"count": 1}
    asked = {"name": "web-canary", "route": route}
    both = await until(source, "error-rate", lambda s: (s.of or 0) > 300, **asked)
    assert both.requests == pytest.approx((both.of or 0) / 10, rel=0.2)
    assert both.silent(0.1, min_requests=20).is_false

    del traffic["web-canary"]
    quiet = await until(source, "error-rate", lambda s: s.requests == 0, **asked)
    assert quiet.value is None
    assert quiet.silent(0.1, min_requests=20).is_true
    assert quiet.silent(0.001, min_requests=20).is_unknown

    counters.drop("web-canary")
    gone = await until(source, "error-rate", lambda s: s.value is None and s.of, **asked)
    assert gone.requests == 0
    assert gone.silent(0.1, min_requests=20).is_true


async def test_a_target_that_is_no_longer_scraped_is_stale_at_once(
    source: PrometheusSource, counters: Counters, traffic: dict[str, dict[str, Any]]
) -> None:
    asked = {"interval": "1m", "route": ["web"]}
    traffic["web"] = {"count": 10}
    await until(source, "error-rate", lambda s: s.value is not None, **asked)
    counters.up = False
    stale = await until(source, "error-rate", lambda s: s.why is Why.STALE, **asked)
    # The window still remembers the traffic, but nobody can say that it is like that now.
    assert (stale.value, stale.requests, stale.of) == (None, None, None)
    counters.up = True
    await until(source, "error-rate", lambda s: s.value == 0, **asked)


async def test_prometheus_may_stop_and_come_back(
    prometheus: Prometheus,
    source: PrometheusSource,
    counters: Counters,
    traffic: dict[str, dict[str, Any]],
) -> None:
    traffic["web"] = {"count": 10}
    await until(source, "error-rate", lambda s: s.value == 0)
    await prometheus.stop()
    with pytest.raises(SourceDown):
        await ask(source, "error-rate")
    # A long past of errors piles up while nobody looks; it must not be read as the present.
    counters.add("web", 100_000, response_code="500")
    await prometheus.start()
    first = await until(source, "error-rate", lambda s: s.value is not None)
    assert first.value == 0
    await until(source, "error-rate", lambda s: (s.requests or 0) > 300 and s.value == 0)


async def test_many_targets_in_one_request_answer_as_each_alone(
    source: PrometheusSource, traffic: dict[str, dict[str, Any]]
) -> None:
    for number in range(5):
        traffic[f"web-{number}"] = {"count": 10 * (number + 1)}
        traffic[f"web-{number}#bad"] = {"count": number, "response_code": "500"}
    await until(source, "request-rate", lambda s: (s.value or 0) > 900, name="web-4")
    queries = [
        QUERIES["error-rate"].bind(
            {"namespace": "demo", "name": f"web-{n}", "interval": "2s", "route": [f"web-{n}"]}
        )
        for n in range(6)
    ]
    family = queries[0].family
    assert all(query.family == family for query in queries)
    traffic.clear()
    await asyncio.sleep(0.3)
    promql = family.promql([query.target for query in queries])
    series = await source.query(promql, timeout=5)
    for n, query in enumerate(queries[:5]):
        parts = family.parts(series, query.target)
        assert parts.values == pytest.approx((n / (10 * (n + 1) + n),), rel=0.1)
        assert parts.of == pytest.approx(parts.requests)
    assert family.parts(series, queries[5].target).values == ()


async def test_the_envoy_built_ins_find_pods_by_their_workload(
    source: PrometheusSource, counters: Counters
) -> None:
    pods = ("web-6c8f9d-abcde", "web-6c8f9d-fghij", "website-6c8f9d-abcde")

    async def drive() -> None:
        while True:
            for pod in pods:
                counters.add_envoy(pod, 9)
            counters.add_envoy(pods[0], 2, code="503", ms=400)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(drive())
    try:
        found = await until(source, "envoy-success-rate", lambda s: s.value is not None)
        assert found.value == pytest.approx(90, abs=3)
        slow = await until(source, "envoy-request-duration", lambda s: (s.value or 0) > 100)
        assert (slow.value or 0) <= 500
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_prometheus_reads_every_value_back_as_it_was_given(source: PrometheusSource) -> None:
    values = [
        *("\"'`\\\n\t\r\x00\x7f", 'a"} or vector(1) or m{a="', "\\x22", "\\", "$1", "ä€😀"),
        *(chr(code) for code in range(1, 256)),
    ]
    for quote in ('"', "'"):
        # absent() answers with the labels of its equality matchers.
        query = QueryTemplate("q", ("a",), "absent(nothing{a=" + quote + "{{ a }}" + quote + "})")
        for value in values:
            (one,) = await source.query(query.bind({"a": value}).promql, timeout=5)
            assert one.labels == {"a": value}
