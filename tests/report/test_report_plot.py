import random
import xml.etree.ElementTree as ET

import pytest

from autopilot.report.axis import clock, ticks, time_ticks
from autopilot.report.svg_plot import Band, Dot, Limit, Plot, draw


@pytest.mark.parametrize("seed", range(200))
def test_round_numbers_enclose_what_is_plotted(seed: int) -> None:
    rng = random.Random(seed)
    low = rng.choice([0.0, rng.gauss(0, 1), rng.gauss(0, 1e9), rng.gauss(0, 1e-6)])
    high = low + rng.choice([0.0, abs(rng.gauss(0, 1)), 1e-7, 1e8])
    found = ticks(low, high)
    slack = 1e-6 * (found[-1] - found[0])
    assert found[0] <= low + slack and high - slack <= found[-1]
    assert 2 <= len(found) <= 9
    assert found == sorted(set(found))


@pytest.mark.parametrize("seconds", [0.4, 1, 7, 59, 60, 61, 600, 3600, 86_400, 5e6])
def test_a_time_axis_has_a_handful_of_ticks(seconds: float) -> None:
    found = time_ticks(seconds)
    assert 1 <= len(found) <= 7
    assert found[0] == 0 and found[-1] <= seconds


def test_times_are_written_as_on_a_clock() -> None:
    assert [clock(at) for at in (0, 0.5, 45, 60, 150, 3900)] == [
        "0 s",
        "0.5 s",
        "45 s",
        "1:00",
        "2:30",
        "1:05:00",
    ]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_plotted_is_well_formed_and_stays_inside(seed: int) -> None:
    rng = random.Random(seed)
    dots = [
        Dot(n, rng.choice([None, rng.gauss(0, 1e3), 0.0, 1e-9, 1e12]), rng.random() < 0.2, "<&>")
        for n in range(rng.choice([0, 1, 2, 700]))
    ]
    limit = rng.choice([None, Limit(0.5, True, "<"), Limit(-3, False, ">"), Limit(7)])
    within = rng.choice([(None, None), (0.0, 1.0), (0.0, None)])
    plot = Plot("a <title>", dots, 700, limit, [Band(2, 9, "fault", "on")], 3.0, within=within)
    root = ET.fromstring(draw(plot))
    for circle in root.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= 900
        assert 0 <= float(circle.attrib["cy"]) <= plot.height


def test_a_share_of_all_is_drawn_up_to_100_percent_and_no_higher() -> None:
    page = draw(
        Plot("x", [Dot(0, 1.0), Dot(5, 0.4)], 5, say=lambda v: f"{v:.0%}", within=(0.0, 1.0))
    )
    assert (
        "100%" in page
        and "120%" not in page
        and "-"
        not in "".join(part.partition("<")[0] for part in page.split('text-anchor="end">')[1:])
    )
