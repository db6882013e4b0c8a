import json
import random
from dataclasses import replace

import pytest
from chaos_records import at, failed, point, run, success

from autopilot.operators.chaos.report_model import (
    Cause,
    ConditionRecord,
    ExpectRecord,
    OverlayRecord,
    PhaseEntry,
    Point,
)
from autopilot.operators.chaos.report_thin import FINAL_BYTES, MOST_BYTES, size, thin, thinned
from autopilot.verdict.verdict import Verdict


def course(rng: random.Random, count: int) -> tuple[Point, ...]:
    now, points = 0.0, []
    for _ in range(count):
        now += rng.choice([0.5, 0.5, 5, 60])
        value = rng.choice([rng.random(), rng.gauss(0, 1e6), None, 0.5])
        points.append(point(now, value))
    return tuple(points)


@pytest.mark.parametrize("seed", range(60))
def test_however_much_is_thinned_the_extremes_and_the_ends_stay_in_order(seed: int) -> None:
    rng = random.Random(seed)
    points = course(rng, rng.randrange(1, 800))
    most = rng.randrange(4, 200)
    kept = thin(points, most)
    assert len(kept) <= max(most, 0)
    assert list(kept) == sorted(set(kept), key=lambda one: one.at)
    assert set(kept) <= set(points)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    known = [one.value for one in points if one.value is not None]
    if known:
        left = [one.value for one in kept if one.value is not None]
        assert (max(left), min(left)) == (max(known), min(known))


@pytest.mark.parametrize("seed", range(20))
def test_what_is_thinned_again_still_has_the_extremes(seed: int) -> None:
    rng = random.Random(seed)
    whole = course(rng, 2000)
    kept = whole
    for most in (700, 300, 90, 12):
        kept = thin(kept, most)
    known = [one.value for one in whole if one.value is not None]
    left = [one.value for one in kept if one.value is not None]
    assert (max(left), min(left)) == (max(known), min(known))


def test_the_first_poll_that_fails_is_kept_among_thousands_that_hold() -> None:
    points = [point(n, 0.95 + n % 7 / 1000) for n in range(5000)]
    points[3333] = point(3333, 0.899)
    points[4000] = point(4000, 0.2)
    kept = thin(points, 40)
    assert points[3333] in kept and points[4000] in kept


def test_a_spike_of_one_poll_in_each_span_is_seen() -> None:
    points = [point(n, 1.0) for n in range(4000)]
    spikes = [point(n, 0.95) for n in range(50, 4000, 400)]
    for spike in spikes:
        points[int((spike.at - at(0)).total_seconds())] = spike
    assert set(spikes) <= set(thin(points, 120))


def test_few_points_stay_as_they_are() -> None:
    record = failed()
    assert thinned(record) == record


@pytest.mark.parametrize("seed", range(6))
def test_a_report_is_smaller_than_its_limit_whatever_is_in_it(seed: int) -> None:
    rng = random.Random(seed)
    long = rng.choice(["😀", '"\\', "x", "\x00"]) * rng.choice([100, 50_000])
    conditions = tuple(
        ConditionRecord(
            f"c{n}",
            long,
            "<",
            1e300,
            "ratio",
            1,
            tuple(replace(one, why=long) for one in course(rng, rng.choice([3, 4000]))),
        )
        for n in range(rng.choice([1, 8, 70]))
    )
    record = run(
        conditions=conditions,
        spec={"target": {"service": long}},
        phases=tuple(PhaseEntry("Running", at(n), long) for n in range(300)),
        cause=Cause(long),
        overlays=tuple(OverlayRecord("VirtualService a/b", long) for _ in range(300)),
        expects=tuple(ExpectRecord(long, Verdict.TRUE, 1.0, long) for _ in range(300)),
    )
    small = thinned(record)
    assert size(small) <= MOST_BYTES
    assert len(json.dumps(small.to_body()).encode("ascii")) <= 3 * MOST_BYTES
    assert small.conditions[0].points


def test_a_long_run_is_thinned_to_its_share_and_says_how_much_is_missing() -> None:
    many = tuple(point(n / 2, 1 - n % 100 / 1000) for n in range(40_000))
    small = thinned(run(conditions=(success(*many),)))
    (one,) = small.conditions
    assert FINAL_BYTES * 0.5 < size(small) <= FINAL_BYTES
    assert one.dropped == len(many) - len(one.points) > 0


def test_a_condition_with_few_points_leaves_its_room_to_one_with_many() -> None:
    few = success(*(point(n, 1.0) for n in range(10)))
    many = replace(success(*(point(n, 1.0) for n in range(20_000))), name="many")
    small = thinned(run(conditions=(many, few)))
    assert small.conditions[1] == few
    assert len(small.conditions[0].points) > 3000
