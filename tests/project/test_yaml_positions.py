"""YAML is read with its lines, and keys stay what was written."""

from __future__ import annotations

import pytest

from autopilot.base.errors import InvalidInput
from autopilot.spec.positions import read, spelled


def test_every_value_knows_its_line() -> None:
    (document,) = read("a: 1\nb:\n  - c: 2\n  -\n    d: [3,\n        4]\n", "f")
    assert document.value == {"a": 1, "b": [{"c": 2}, {"d": [3, 4]}]}
    assert document.line(("b", 0, "c")) == 3
    assert document.line(("b", 1, "d")) == 5
    assert document.line(("b", 1, "d", 1)) == 6


def test_what_isnt_there_is_said_to_be_where_it_should_be() -> None:
    (document,) = read("a:\n  b: 1\n", "f")
    assert document.line(("a", "x", "y")) == 1
    assert str(document.problem(("a", "x", 0), "no", "yes")) == "f:1: a.x[0]: no; yes"


def test_keys_are_texts_as_written() -> None:
    (document,) = read("on: 1\n8080: 2\nnull: 3\n1.0: 4\n", "f")
    assert document.value == {"on": 1, "8080": 2, "null": 3, "1.0": 4}


def test_a_date_is_a_text() -> None:
    assert read("a: 2026-01-01", "f")[0].value == {"a": "2026-01-01"}


def test_merge_keys_and_aliases_work() -> None:
    text = "base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\nagain: *b\n"
    (document,) = read(text, "f")
    assert document.value["more"] == {"x": 1, "y": 3}
    assert document.value["again"] == {"x": 1, "y": 2}
    assert document.problems == ()


def test_several_documents_keep_their_lines() -> None:
    first, second = read("a: 1\n---\n# a comment\nb: 2\n", "f")
    assert (first.line(("a",)), second.line(("b",))) == (1, 4)


def test_an_alias_that_contains_itself_is_refused() -> None:
    with pytest.raises(InvalidInput, match="an alias that contains itself"):
        read("a: &a [*a]\n", "f")


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(InvalidInput, match="too large"):
        read("\n".join(lines), "f")


def test_a_scalar_that_yaml_cant_read_is_a_problem_with_a_line() -> None:
    (document,) = read("a: 1\nb: !!int twelve\n", "f")
    assert [str(p) for p in document.problems] == [
        "f:2: b: YAML can't read 'twelve' as int; quote it"
    ]


def test_a_tag_of_pythons_makes_no_object() -> None:
    (document,) = read("a: !!python/object/apply:os.getcwd []\n", "f")
    assert document.value == {"a": []}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("? [a, b]\n: c\n", "f:1: a key that is a map or a list; a text"),
        ("a:\n  {b: c}: d\n", "f:2: a: a key that is a map or a list; a text"),
        (
            "a: 1\n<<: 5\n",
            "f:2: not YAML: while constructing a mapping: "
            "expected a mapping or list of mappings for merging, but found scalar",
        ),
        ("[" * 3000, "f: not YAML: nested too deeply"),
        (
            "a: \x00\n",
            "f: not YAML: unacceptable character #x0000: special characters are not allowed",
        ),
    ],
)
def test_what_no_project_needs_is_refused(text: str, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text, "f")
    assert str(caught.value) == expected


def test_paths_are_spelled_as_people_write_them() -> None:
    assert spelled(("phases", 2, "inputs", 0)) == "phases[2].inputs[0]"
    assert spelled(()) == ""
