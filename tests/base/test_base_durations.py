import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.base import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("1m30s", 90),
        ("2h", 7200),
        ("1.5s", 1.5),
        ("1d", 86400),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_as_go_spells_it(text: str, seconds: float) -> None:
    assert durations.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-5s", "5x", "1m 30s", "5S", ".5s", "5s\n"])
def test_what_is_no_duration_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="500ms, 5s, 1m30s"):
        durations.parse(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_rendered_duration_reads_back_as_itself(millis: int) -> None:
    duration = timedelta(milliseconds=millis)
    assert durations.parse(durations.render(duration)) == duration


def test_a_duration_is_written_in_its_shortest_form() -> None:
    assert durations.render(90) == "1m30s"
    assert durations.render(0) == "0s"
    assert durations.render(timedelta(milliseconds=1500)) == "1s500ms"
    assert durations.render(-90) == "-1m30s"


@given(st.text(alphabet="0123456789.mshd \n", max_size=8))
def test_the_schema_pattern_accepts_exactly_what_is_parsed(text: str) -> None:
    # CRD schemas match as re.search does with RE2, where $ is the very end of the text.
    accepted = re.search(durations.PATTERN.replace("$", r"\Z"), text) is not None
    try:
        durations.parse(text)
    except ValueError as error:
        assert not accepted or "hundred years" in str(error)
    else:
        assert accepted


@pytest.mark.parametrize("text", ["36501d", "9999999999999999d", "9" * 400 + "h"])
def test_a_duration_beyond_a_hundred_years_is_refused_rather_than_overflowing(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a hundred years"):
        durations.parse(text)
