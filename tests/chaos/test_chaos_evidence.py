"""Whether a fault bites, as the callers' proxies count it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from autopilot.base.clock import VirtualClock
from autopilot.mesh.actions import Fault, Where
from autopilot.operators.chaos.evidence import LONGEST, SHORTEST, gather, recent
from autopilot.runtime.inputs import Inputs
from autopilot.telemetry.provider import MetricsReader
from autopilot.telemetry.queries import QuerySet
from autopilot.telemetry.scripted import ScriptedSamples
from autopilot.telemetry.service_builtins import service_query
from autopilot.telemetry.source import Series

WHERE = Where("ratings", "shop", callers=("reviews",))
BOTH = Fault(WHERE, abort_status=500, delay=timedelta(seconds=1))
ABORTS = Fault(WHERE, abort_grpc="UNAVAILABLE")
WINDOW = timedelta(seconds=10)


def asked(samples: ScriptedSamples) -> Inputs:
    return Inputs("Verifying", {}, MetricsReader(QuerySet([]), samples, "one"))


@pytest.fixture
def samples() -> ScriptedSamples:
    return ScriptedSamples(VirtualClock())


async def test_requests_that_carry_the_flag_are_counted(samples: ScriptedSamples) -> None:
    samples.set("aborted-rate", 0.25, requests=200)
    found = await gather(asked(samples), ABORTS, WINDOW)
    assert (found.requests, found.faulted, found.flags, found.missing) == (200, 50, ("FI",), ())
    (query,) = samples.asked
    assert dict(query.arguments) == {
        "callers": "reviews",
        "namespace": "shop",
        "reporter": "source",
        "service": "ratings",
        "window": "10s",
    }


async def test_of_two_faults_the_one_that_is_not_seen_is_named(samples: ScriptedSamples) -> None:
    samples.set("aborted-rate", 0.25)
    samples.set("delayed-rate", 0.0)
    found = await gather(asked(samples), BOTH, WINDOW)
    assert (found.flags, found.missing) == (("FI",), ("DI",))


@pytest.mark.parametrize("requests", [0.0, None])
async def test_without_requests_nobody_can_say(samples: ScriptedSamples, requests: Any) -> None:
    samples.set("aborted-rate", 0.0, requests=requests)
    found = await gather(asked(samples), ABORTS, WINDOW)
    assert (found.requests, found.why) == (None, "no requests")


async def test_lost_telemetry_is_told_as_such(samples: ScriptedSamples) -> None:
    samples.down()
    found = await gather(asked(samples), ABORTS, WINDOW)
    assert found.requests is None
    assert "source down" in found.why


def test_the_window_reaches_back_to_the_moment_and_no_further() -> None:
    assert recent(timedelta(0)) == SHORTEST
    assert recent(timedelta(seconds=7)) == timedelta(seconds=7)
    assert recent(timedelta(hours=1)) == LONGEST


@pytest.mark.parametrize(("measure", "flag"), [("aborted", "FI"), ("delayed", "DI")])
def test_a_flag_among_others_counts(measure: Any, flag: str) -> None:
    query = service_query(measure, [("shop", "ratings")], window="10s")
    assert f'response_flags=~"(.*,)?{flag}(,.*)?"' in query.promql
    labels = {
        "destination_service_namespace": "shop",
        "destination_service_name": "ratings",
    }
    series = [
        Series({**labels, "part": "requests"}, 80.0, 100.0),
        Series({**labels, "part": "bad"}, 20.0, 100.0),
    ]
    parts = query.family.parts(series, query.target)
    assert (parts.values, parts.requests) == ((0.25,), 80.0)
