"""Plots in a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from autopilot.report.sparkline import LEVELS, Curve, columns, line, plot


def test_a_ramp_climbs_from_the_lowest_to_the_highest_block() -> None:
    assert line([0, 1, 2, 3, 4, 5, 6, 7], 0, 7) == "▁▂▃▄▅▆▇█"


def test_a_little_is_told_from_nothing() -> None:
    assert line([0, 1, 100], 0, 100) == "▁▂█"


def test_a_column_without_points_is_a_gap_and_not_a_zero() -> None:
    curve = Curve("x", [(0.0, 1.0), (9.9, 2.0)])
    assert columns(curve, 10.0, 5) == [1.0, None, None, None, 2.0]
    assert line([1.0, None, 2.0], 1.0, 2.0) == "▁ █"


def test_min_keeps_a_dip_that_max_would_hide() -> None:
    points = [(0.1, 100.0), (0.2, 95.0), (0.3, 100.0)]
    assert columns(Curve("success", points, pick=min), 1.0, 1) == [95.0]
    assert columns(Curve("success", points, pick=max), 1.0, 1) == [100.0]


def test_a_constant_curve_is_drawn_at_the_bottom() -> None:
    assert line([5.0, 5.0], 5.0, 5.0) == "▁▁"


def test_all_lines_of_a_plot_start_in_the_same_column_above_a_time_axis() -> None:
    drawn = plot(
        [Curve("weight %", [(0, 0), (5, 100)], low=0, high=100), Curve("ms", [(0, 3)])],
        seconds=10,
        width=40,
    )
    assert drawn[0].startswith("weight %  ▁")
    assert drawn[1].startswith("ms        ▁")
    assert drawn[2].split() == ["0", "s", "2", "s", "5", "s", "8", "s", "10", "s"]
    assert drawn[0].endswith("0 … 100")


@given(st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), max_size=200))
def test_every_value_becomes_exactly_one_character(values: list[float | None]) -> None:
    drawn = line(values, -10.0, 10.0)
    assert len(drawn) == len(values)
    assert all(
        mark == " " if value is None else mark in LEVELS
        for mark, value in zip(drawn, values, strict=True)
    )
