"""Rules' queries without a server: what can be asked, what is shared, what a script answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from autopilot.base.clock import VirtualClock
from autopilot.telemetry.provider import MetricsReader
from autopilot.telemetry.queries import ArgumentError, QuerySet
from autopilot.telemetry.sample import Why
from autopilot.telemetry.scripted import ScriptedSamples
from autopilot.telemetry.service_builtins import (
    NAMES,
    UNITS,
    alert_query,
    rule_query,
    service_query,
)
from autopilot.telemetry.source import SourceRef

WEB = [("demo", "web")]
BOTH = [("demo", "web"), ("demo", "web-standby")]


def test_queries_that_ask_the_same_are_one_and_others_share_their_family() -> None:
    one = service_query("errors", BOTH, window="30s", callers=["b", "a"])
    same = service_query(
        "errors", [*reversed(BOTH), *WEB], window=timedelta(seconds=30), callers=("a", "b", "a")
    )
    assert one == same
    assert hash(one) == hash(same)
    other = service_query("errors", [("shop", "api")], callers=["c"])
    assert (other.family == one.family, other.target == one.target) == (True, False)
    versions = [service_query("latency", WEB, version=version) for version in ("v1", "v2")]
    assert versions[0].family == versions[1].family
    assert service_query("errors", WEB).family != one.family
    assert service_query("errors", WEB, quantile=0.5) == service_query("errors", WEB)


def test_every_measure_has_a_name_and_a_unit() -> None:
    assert NAMES.keys() == UNITS.keys()
    for measure in NAMES:
        query = service_query(measure, WEB, interval=timedelta(seconds=2))
        assert (query.name, query.interval, query.source) == (NAMES[measure], 2, None)
    ref = SourceRef("demo", secret="metrics")
    assert service_query("rate", WEB, source=ref, interval=3).source == ref
    assert alert_query("Down", source=ref).source == ref
    assert rule_query("q", "up", source=ref).source == ref


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"measure": "speed"}, "no measure 'speed'"),
        ({"services": []}, "1 to 16 services, not 0"),
        ({"services": [("demo", f"s{n}") for n in range(17)]}, "not 17"),
        ({"services": [("", "web")]}, "namespace is empty"),
        ({"services": [("demo", "")]}, "name is empty"),
        ({"services": [("demo", "x" * 254)]}, "longer than 253"),
        ({"services": [("demo", "\ud800")]}, "surrogate"),
        ({"window": "0s"}, "no length"),
        ({"window": "5"}, "no duration"),
        ({"window": "31d"}, "up to 720h"),
        ({"window": "9" * 400 + "h"}, "up to 720h|hundred years"),
        ({"window": timedelta(seconds=-1)}, "up to 720h"),
        ({"window": timedelta(microseconds=1)}, "shorter than a millisecond"),
        ({"ago": "400d"}, "up to 8784h"),
        ({"measure": "latency", "quantile": 1.0}, "between 0 and 1"),
        ({"measure": "latency", "quantile": float("nan")}, "between 0 and 1"),
        ({"reporter": "both"}, "source or destination"),
        ({"version": "x" * 254}, "longer than 253"),
        ({"callers": [f"c{n}" for n in range(51)]}, "at most 50 callers"),
        ({"callers": [""]}, "app is empty"),
    ],
)
def test_what_cant_be_asked_is_said(how: dict[str, Any], said: str) -> None:
    given = {"measure": "errors", "services": WEB} | how
    with pytest.raises(ValueError, match=said):
        service_query(given.pop("measure"), given.pop("services"), **given)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("", {}),
        ("A" * 254, {}),
        ("A", {"alertname": "B"}),
        ("A", {"alertstate": "pending"}),
        ("A", {"a-b": "x"}),
        ("A", {'a="b"} or up #': "x"}),
        ("A", {"a": "x" * 1001}),
        ("A", {f"l{n}": "x" for n in range(17)}),
    ],
)
def test_an_alert_that_cant_be_asked_is_refused(name: str, labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"alert|label"):
        alert_query(name, labels)


def test_a_template_that_names_what_it_isnt_given_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'other' is used but not declared"):
        rule_query("queue", "m{a=[[ other | label ]]}", {"service": "web"})
    with pytest.raises(ValueError, match="up to"):
        rule_query("queue", "m", ago="9000d")


async def test_a_script_answers_rules_queries_by_what_they_ask() -> None:
    clock = VirtualClock()
    samples = ScriptedSamples(clock)
    reader = MetricsReader(QuerySet(), samples, "rule")

    samples.set("error-rate", 0.2)
    samples.set("error-rate", 0.01, service="web", requests=50)
    samples.set("error-rate", 0.9, service="web", version="v2")
    samples.set("latency", 800, service=["web-standby", "web"], quantile=0.99)
    samples.set("alert", 1, alertname="Down", service="web")
    samples.set("queue", 7)

    async def value(query: Any) -> float | None:
        return (await reader.read(query)).value

    assert await value(service_query("errors", BOTH)) == 0.2
    alone = await reader.read(service_query("errors", WEB))
    assert (alone.value, alone.requests, alone.at) == (0.01, 50, clock.now())
    assert await value(service_query("errors", WEB, version="v2")) == 0.9
    assert await value(service_query("latency", BOTH)) == 800
    assert await value(service_query("latency", BOTH, quantile=0.5)) is None
    assert await value(alert_query("Down", {"service": "web"})) == 1
    assert await value(alert_query("Down")) is None
    assert await value(rule_query("queue", "sum(q)")) == 7
    assert len(reader.reads) == 8

    samples.set("error-rate", 0.5, service="web", version="")
    assert await value(service_query("errors", WEB)) == 0.5
    assert await value(service_query("errors", WEB, version="v2")) == 0.9
    samples.down()
    assert (await reader.read(service_query("errors", WEB))).why is Why.SOURCE_DOWN
