"""Whatever stands in a project file, the answer is a list of problems, never a traceback."""

from __future__ import annotations

import re
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from small_projects import AUTOPILOT_YAML

from autopilot.project.load import Parsed, parse

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=True),
    st.sampled_from(["", "pods", "metrics", "secrets", "Making", "Made", "split", "*", "a b", "é"]),
    st.text(max_size=8),
)
KEYS = st.sampled_from(
    [
        "kind",
        "to",
        "name",
        "names",
        "selector",
        "namespace",
        "initial",
        "final",
        "inputs",
        "outputs",
        "actions",
        "transitions",
        "queryTemplate",
        "parameters",
        "lowerName",
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
PATHS = st.sampled_from(
    [
        ("kind",),
        ("apiVersion",),
        ("operatorName",),
        ("phases",),
        ("phases", 0),
        ("phases", 0, "name"),
        ("phases", 0, "inputs"),
        ("phases", 0, "transitions"),
        ("phases", 1),
        ("finalizer",),
        ("customParameters",),
        ("queries",),
        ("enableFinalizer",),
    ]
)


def sound(parsed: Parsed, text: str) -> None:
    """Every problem is a line of text that lies within the file."""
    lines = text.count("\n") + 2
    for problem in parsed.problems:
        assert "\n" not in str(problem)
        assert 0 <= problem.line <= lines
        assert problem.file == "f"


@given(st.text(alphabet=st.sampled_from("ab: -[]{}&*!|>\"'#%@`,?<\n\t0.~é"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_problems(text: str) -> None:
    sound(parse(text, "f"), text)


@given(PATHS, VALUES)
@settings(max_examples=300, deadline=None)
def test_any_value_in_any_place_gives_problems(path: tuple[str | int, ...], value: Any) -> None:
    document: Any = yaml.safe_load(AUTOPILOT_YAML)
    here = document
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value
    text = yaml.safe_dump(document, allow_unicode=True)
    sound(parse(text, "f"), text)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_file_with_a_piece_cut_out_gives_problems(data: st.DataObject) -> None:
    words = re.split(r"(\s+)", AUTOPILOT_YAML)
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start, min(len(words), start + 6)))
    text = "".join(words[:start] + words[end:])
    sound(parse(text, "f"), text)
