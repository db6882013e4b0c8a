"""What a pod's environment says, and how evenly it is followed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.sandbox.workloads.behaviour import (
    Invalid,
    Probe,
    behaviour_of,
    container_ports,
    evenly,
    wave,
    workload_of,
)


def pod(labels: dict[str, str] | None = None, **env: str) -> dict[str, Any]:
    listed = [{"name": name, "value": value} for name, value in env.items()]
    container = {"name": "app", "env": listed}
    return {
        "metadata": {"name": "web-abc-1", "namespace": "demo", "labels": labels or {}},
        "spec": {"containers": [container]},
    }


def test_a_plain_pod_answers_at_once_and_never_fails() -> None:
    found = behaviour_of(pod())
    assert (found.latency, found.error_rate, found.slow_rate, found.start_delay) == (0, 0, 0, 0)
    assert found.ready
    assert not found.crash
    assert found.crash_after is None


def test_milliseconds_become_seconds() -> None:
    found = behaviour_of(pod(LATENCY_MS="5", SLOW_MS="300", START_DELAY_MS="1500"))
    assert (found.latency, found.slow, found.start_delay) == (0.005, 0.3, 1.5)


def test_a_failed_upstream_fails_the_answer_unless_told_otherwise() -> None:
    assert behaviour_of(pod()).upstream_failure == "fail"
    assert behaviour_of(pod(UPSTREAM_FAILURE="cope")).upstream_failure == "cope"


def test_errors_may_begin_later() -> None:
    assert behaviour_of(pod(ERROR_RATE="0.2")).error_after == 0
    assert behaviour_of(pod(ERROR_RATE="0.2", ERROR_AFTER_S="7.5")).error_after == 7.5


def test_the_version_is_the_label_unless_the_environment_names_one() -> None:
    assert behaviour_of(pod({"version": "v1"})).version == "v1"
    assert behaviour_of(pod({"version": "v1"}, VERSION="v2")).version == "v2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ERROR_RATE", "5"),
        ("ERROR_RATE", "5%"),
        ("LATENCY_MS", "-1"),
        ("LATENCY_MS", "soon"),
        ("SLOW_MS", "nan"),
        ("SLOW_MS", "inf"),
        ("ERROR_CODE", "42"),
        ("UPSTREAM_FAILURE", "ignore"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(Invalid, match=name):
        behaviour_of(pod(**{name: value}))


def test_a_probe_is_read_from_the_first_container() -> None:
    body = pod()
    probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 2}
    body["spec"]["containers"][0]["readinessProbe"] = probe
    assert behaviour_of(body).probe == Probe("/ready", 0.0, 2.0)


def test_ports_are_known_by_name_or_number_and_there_is_always_one() -> None:
    body = pod()
    assert container_ports(body) == {"8080": 8080}
    ports = [{"name": "http", "containerPort": 80}, {"containerPort": 9090}]
    body["spec"]["containers"][0]["ports"] = ports
    assert container_ports(body) == {"http": 80, "9090": 9090}


def test_a_workload_is_the_deployment_the_replica_set_or_the_pod_itself() -> None:
    assert workload_of(pod()) == "web-abc-1"
    owned = pod({"pod-template-hash": "abc"})
    owned["metadata"]["ownerReferences"] = [{"name": "web-abc", "controller": True}]
    assert workload_of(owned) == "web"
    owned["metadata"]["labels"] = {}
    assert workload_of(owned) == "web-abc"


@given(st.floats(0.01, 0.99), st.floats(0, 1), st.integers(0, 10_000))
def test_a_share_holds_over_any_few_hundred_numbers(rate: float, seed: float, start: int) -> None:
    chosen = evenly(rate, seed)
    found = sum(chosen(number) for number in range(start, start + 400))
    assert abs(found - rate * 400) <= 4


def test_nothing_is_chosen_at_zero_and_everything_at_one() -> None:
    assert not any(evenly(0.0, 0.3)(n) for n in range(1000))
    assert all(evenly(1.0, 0.3)(n) for n in range(1000))


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_wave_stays_within_one(number: int, seed: float) -> None:
    assert -1 <= wave(number, seed) <= 1
