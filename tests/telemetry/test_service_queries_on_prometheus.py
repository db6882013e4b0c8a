"""Rules' queries against a real Prometheus whose target the test drives."""

from __future__ import annotations

import asyncio
import math
import random
from typing import TYPE_CHECKING, Any

import pytest

from autopilot.telemetry.histogram import quantile_of
from autopilot.telemetry.judge import Asked, judge
from autopilot.telemetry.sample import Sample, Why
from autopilot.telemetry.service_builtins import (
    MAX_CALLERS,
    MAX_SERVICES,
    alert_query,
    rule_query,
    service_query,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Counters

    from autopilot.telemetry.prometheus import PrometheusSource
    from autopilot.telemetry.query import BoundQuery

pytestmark = pytest.mark.envoy
Traffic = dict[str, dict[str, Any]]
BOTH = [("demo", "web"), ("demo", "web-standby")]


def about(measure: Any, services: list[tuple[str, str]] | None = None, **how: Any) -> BoundQuery:
    return service_query(measure, services or BOTH, **{"window": "2s", **how})


async def ask(source: PrometheusSource, query: BoundQuery) -> Sample:
    series = await source.query(query.promql, timeout=5)
    family = query.family
    asked = Asked(query.name, query.promql, family.timed, 15)
    return judge(family.parts(series, query.target), asked)


async def until(
    source: PrometheusSource, query: BoundQuery, good: Callable[[Sample], bool]
) -> Sample:
    sample = None
    try:
        async with asyncio.timeout(45):
            while sample is None or not good(sample):
                await asyncio.sleep(0.05)
                sample = await ask(source, query)
    except TimeoutError:
        raise AssertionError(f"never came true; the last sample was {sample}") from None
    return sample


async def test_a_standby_that_never_had_a_request_adds_nothing_and_hides_nothing(
    source: PrometheusSource, traffic: Traffic
) -> None:
    assert (await ask(source, about("errors"))).why is Why.NO_DATA
    traffic["web"] = {"count": 10}
    sample = await until(source, about("errors"), lambda s: (s.requests or 0) > 300)
    assert sample.value == 0
    assert sample.at is not None
    assert (await ask(source, about("success"))).value == 1
    assert (await ask(source, about("timeouts"))).value == 0
    assert (await ask(source, about("rate"))).value == pytest.approx(200, rel=0.3)
    assert (await ask(source, about("latency"))).value is not None
    lone = await ask(source, about("errors", [("demo", "web-standby")]))
    assert (lone.value, lone.requests, lone.why) == (None, None, Why.NO_DATA)


async def test_what_callers_get_is_summed_over_all_that_answer(
    source: PrometheusSource, traffic: Traffic
) -> None:
    traffic["web"] = {"count": 6}
    traffic["web#bad"] = {"count": 2, "response_code": "503"}
    traffic["web-standby"] = {"count": 8, "ms": 300}
    await until(source, about("errors"), lambda s: abs((s.value or 0) - 2 / 16) < 0.02)
    alone = about("errors", [("demo", "web")])
    await until(source, alone, lambda s: abs((s.value or 0) - 2 / 8) < 0.03)
    await until(source, about("success"), lambda s: abs((s.value or 0) - 14 / 16) < 0.02)
    slow = await until(source, about("latency"), lambda s: (s.value or 0) > 100)
    assert slow.requests is not None
    fast = await ask(source, about("latency", [("demo", "web")]))
    assert (fast.value or 0) <= 5
    traffic.clear()
    quiet = await until(source, about("errors"), lambda s: s.value is None)
    assert (quiet.why, quiet.requests) == (Why.NO_DATA, 0)
    # No requests at all is a known rate, and no known ratio or latency.
    assert (await ask(source, about("rate"))).value == 0
    assert (await ask(source, about("latency"))).why is Why.NO_DATA


async def test_a_version_callers_and_a_reporter_narrow(
    source: PrometheusSource, traffic: Traffic
) -> None:
    traffic["web"] = {"count": 8, "destination_version": "v1", "source_app": "front"}
    bad = {"count": 2, "response_code": "500"}
    traffic["web#2"] = {**bad, "destination_version": "v2", "source_app": "batch"}
    traffic["web#3"] = {"count": 2, "destination_version": "v2", "source_app": "front"}
    traffic["web#4"] = {"count": 5, "reporter": "destination", "response_code": "500"}
    await until(source, about("errors"), lambda s: abs((s.value or 0) - 2 / 12) < 0.03)
    await until(source, about("errors", version="v1"), lambda s: s.value == 0)
    await until(source, about("errors", version="v2"), lambda s: abs((s.value or 0) - 0.5) < 0.05)
    await until(source, about("errors", callers=["batch"]), lambda s: s.value == 1)
    await until(source, about("errors", callers=["front"]), lambda s: s.value == 0)
    two = about("errors", callers=["front", "batch", "nobody"])
    await until(source, two, lambda s: abs((s.value or 0) - 2 / 12) < 0.03)
    both = about("errors", callers=["front"], version="v2")
    some = await until(source, both, lambda s: (s.requests or 0) > 60)
    assert (some.value, (some.requests or 0) < 160) == (0, True)
    await until(source, about("errors", reporter="destination"), lambda s: s.value == 1)


async def test_a_time_out_is_a_504_a_flag_or_a_grpc_deadline_and_counts_once(
    source: PrometheusSource, traffic: Traffic
) -> None:
    traffic["web"] = {"count": 4}
    traffic["web#a"] = {"count": 1, "response_code": "504", "response_flags": "UT"}
    traffic["web#b"] = {"count": 1, "response_code": "504", "response_flags": "-"}
    grpc = {"grpc_response_status": "4", "response_flags": "-"}
    traffic["web#c"] = {"count": 1, **grpc}
    traffic["web#d"] = {"count": 1, "response_flags": "UT,URX"}
    # Neither a caller that hangs up nor a flag that only holds these letters.
    traffic["web#e"] = {"count": 1, "response_code": "0", "response_flags": "DC"}
    traffic["web#f"] = {"count": 1, "response_code": "503", "response_flags": "UTX"}
    await until(source, about("timeouts"), lambda s: abs((s.value or 0) - 0.4) < 0.03)


async def test_what_a_service_itself_answered_is_without_what_proxies_did_in_its_name(
    source: PrometheusSource, traffic: Traffic
) -> None:
    traffic["web"] = {"count": 4, "response_flags": "-"}
    traffic["web#shed"] = {"count": 2, "response_code": "503", "response_flags": "FI"}
    traffic["web#full"] = {"count": 2, "response_code": "503", "response_flags": "UO,URX"}
    traffic["web#late"] = {"count": 2, "ms": 800, "response_flags": "DI"}
    traffic["web#gone"] = {"count": 2, "response_code": "503", "response_flags": "UH"}
    await until(source, about("errors"), lambda s: abs((s.value or 0) - 6 / 12) < 0.03)
    own = about("errors", answered=True)
    await until(source, own, lambda s: abs((s.value or 0) - 2 / 8) < 0.03)
    await until(source, about("latency"), lambda s: (s.value or 0) > 100)
    await until(source, about("latency", answered=True), lambda s: 0 < (s.value or 0) <= 5)


async def test_the_value_of_a_while_ago_is_of_then_and_not_stale(
    source: PrometheusSource, traffic: Traffic
) -> None:
    traffic["web"] = {"count": 5, "response_code": "500"}
    await until(source, about("errors", window="1s", ago="2s"), lambda s: s.value == 1)
    traffic["web"] = {"count": 5}
    now = await until(source, about("errors", window="1s"), lambda s: s.value == 0)
    then = await ask(source, about("errors", window="1s", ago="2s"))
    assert then.value == pytest.approx(1, abs=0.4)
    assert then.why is Why.KNOWN
    assert now.at is not None
    assert then.at is not None
    # The age is reckoned by then's clock: ten intervals ago is as fresh as now.
    await until(source, about("errors", window="1s", ago="20s"), lambda s: s.why is Why.NO_DATA)
    assert 1 < (now.at - then.at).total_seconds() < 30


async def test_many_targets_in_one_request_answer_as_each_alone(
    source: PrometheusSource, traffic: Traffic
) -> None:
    for number in range(8):
        traffic[f"web-{number}"] = {"count": number + 1, "ms": 3 * 5**number}
        traffic[f"web-{number}#bad"] = {"count": number, "response_code": "500"}
    sets = [[("demo", f"web-{n}"), ("demo", f"web-{(3 * n + 1) % 9}")] for n in range(8)]
    sets += [[("other", "web-1")], [("demo", "web-1"), ("other", "web-1")]]
    for measure in ("errors", "latency", "rate"):
        queries = [about(measure, services) for services in sets]
        last = about(measure, [("demo", "web-7")])
        await until(source, last, lambda s: (s.requests or 0) > 100)
        family = queries[0].family
        assert all(query.family == family for query in queries)
        text = family.promql([query.target for query in queries])
        flows = dict(traffic)
        traffic.clear()
        await asyncio.sleep(0.3)
        together, *alone = await asyncio.gather(
            *(source.query(each, timeout=5) for each in (text, *(q.promql for q in queries)))
        )
        found = family.parts_of(together, [query.target for query in queries])
        for query, parts, series in zip(queries, found, alone, strict=True):
            single = family.parts(series, query.target)
            assert parts.values == pytest.approx(single.values, rel=0.1), query
        assert found[-2].values == ()
        traffic.update(flows)


async def test_a_quantile_over_several_services_is_prometheus_own(
    source: PrometheusSource, counters: Counters, traffic: Traffic
) -> None:
    dice = random.Random(7)
    for number, ms in enumerate((0.5, 3, 7, 30, 80, 300, 800, 5000)):
        name = "web" if number % 2 else "web-standby"
        traffic[f"{name}#{number}"] = {"count": dice.randint(1, 20), "ms": ms}
    await until(source, about("latency"), lambda s: (s.requests or 0) > 1000)
    traffic.clear()
    await asyncio.sleep(0.3)
    for quantile in (0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999):
        query = about("latency", quantile=quantile, window="1m")
        summed = (
            f"histogram_quantile({quantile}, sum by (le) (increase("
            'istio_request_duration_milliseconds_bucket{destination_service_name=~"web.*"}[1m])))'
        )
        # Both in one request, so that both are of one moment.
        text = f'{query.promql} or label_replace({summed}, "part", "theirs", "", "")'
        series = await source.query(text, timeout=5)
        (theirs,) = (one.value for one in series if one.labels.get("part") == "theirs")
        (ours,) = query.family.parts(series, query.target).values
        assert ours == pytest.approx(theirs, rel=1e-6)


async def test_a_quantile_of_any_buckets_is_prometheus_own(source: PrometheusSource) -> None:
    dice = random.Random(11)
    for _ in range(60):
        bounds = sorted(dice.sample([-5.0, 0.0, 0.5, 1, 5, 25, 100, 1000], dice.randint(0, 6)))
        counts = sorted(float(dice.choice([0, 0, 1, 5, 5, 7, 100])) for _ in (*bounds, 0))
        buckets = dict(zip([*bounds, math.inf], counts, strict=True))
        quantile = dice.choice([0.001, 0.1, 0.5, 0.95, 0.999])
        vectors = " or ".join(
            f'label_replace(vector({count}), "le", "{"+Inf" if bound == math.inf else bound}",'
            ' "", "")'
            for bound, count in buckets.items()
        )
        (one,) = await source.query(f"histogram_quantile({quantile}, {vectors})", timeout=5)
        ours = quantile_of(quantile, buckets)
        assert ours == pytest.approx(one.value, nan_ok=True), buckets


async def test_an_alert_that_fires_is_one_and_every_other_zero(
    source: PrometheusSource, counters: Counters
) -> None:
    await until(source, alert_query("Broken"), lambda s: s.value == 0)
    counters.lines['broken{service="web"}'] = 1
    counters.lines['broken{service="api"}'] = 1
    counters.lines['broken{service="quiet"}'] = 0
    fires = await until(source, alert_query("Broken"), lambda s: s.value == 1)
    assert fires.at is not None
    labelled = [
        alert_query("Broken", {"service": "web", "severity": "page"}),
        alert_query("Broken", {"service": "quiet", "severity": "page"}),
        alert_query("Broken", {"service": "web", "severity": "info"}),
        alert_query("Other", {"service": "web", "severity": "page"}),
    ]
    family = labelled[0].family
    assert all(query.family == family for query in labelled)
    series = await source.query(family.promql([q.target for q in labelled]), timeout=5)
    found = family.parts_of(series, [query.target for query in labelled])
    assert [parts.values for parts in found] == [(1,), (0,), (0,), (0,)]
    counters.lines['broken{service="web"}'] = 0
    await until(source, labelled[0], lambda s: s.value == 0)
    assert (await ask(source, alert_query("Broken", {"service": "api"}))).value == 1


async def test_a_query_of_a_rules_own_now_and_then(
    source: PrometheusSource, counters: Counters
) -> None:
    counters.lines['queue_depth{service="web"}'] = 5
    text = "sum(queue_depth{service=[[ service | label ]]}) # how long"
    query = rule_query("queue", text, {"service": "web", "namespace": "demo"})
    await until(source, query, lambda s: s.value == 5)
    await asyncio.sleep(2)
    counters.lines['queue_depth{service="web"}'] = 9
    await until(source, query, lambda s: s.value == 9)
    then = await ask(source, rule_query("queue", text, {"service": "web"}, ago="2s"))
    assert (then.value, then.why) == (5, Why.KNOWN)
    other = await ask(source, rule_query("queue", text, {"service": "none"}))
    assert other.why is Why.NO_DATA


async def test_the_largest_batch_of_the_longest_names_is_still_answered(
    source: PrometheusSource, traffic: Traffic
) -> None:
    callers = [f"{n:02}{'c' * 61}" for n in range(MAX_CALLERS)]
    queries = [
        about(
            "timeouts",
            [(f"{n:02}{'n' * 61}", f"{n:03}-{m:02}{'s' * 57}") for m in range(MAX_SERVICES)],
            callers=callers,
        )
        for n in range(99)
    ]
    traffic["web"] = {"count": 5, "source_app": callers[0]}
    queries.append(about("timeouts", callers=callers))
    await until(source, queries[-1], lambda s: s.value == 0)
    family = queries[0].family
    targets = [query.target for query in queries]
    series = await source.query(family.promql(targets), timeout=20)
    found = family.parts_of(series, targets)
    assert found[-1].values == (0,)
    assert found[0].values == ()


@pytest.mark.parametrize("evil", ['a"} or vector(1) #', "a|web", ".*", "\\", "'", "ä€", "{{ x }}"])
async def test_no_name_becomes_promql_or_a_pattern(
    source: PrometheusSource, traffic: Traffic, evil: str
) -> None:
    traffic["web"] = {"count": 5, "destination_version": "v1", "source_app": "front"}
    await until(source, about("rate"), lambda s: (s.value or 0) > 0)
    for query in (
        about("rate", [("demo", evil), ("demo", "x")]),
        about("rate", [(evil, "web")]),
        about("rate", version=evil),
        about("rate", callers=[evil, "y"]),
        about("rate", callers=[evil]),
    ):
        assert (await ask(source, query)).why is Why.NO_DATA
    assert (await ask(source, alert_query(evil, {"service": evil}))).value == 0
