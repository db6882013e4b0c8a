"""Templates: what they may hold, and that no value gets out of its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autopilot.telemetry.promql import escape, regex
from autopilot.telemetry.queries import ArgumentError, QueryTemplate
from autopilot.telemetry.templates import MAX_TEMPLATE, BadTemplate, compile_template

GO = 'sum(rate(m{ns="{{ .Namespace }}",w=~"{{ .Name }}",code!~"5.*"}[{{ .Interval }}])) * 100'
EVIL = ['"', "'", "`", "\\", '"} or vector(1) or m{a="', "\n", "\\x22", '\\"', "{{ x }}", "[[ x ]]"]


def template(text: str, *parameters: str) -> QueryTemplate:
    return QueryTemplate("mine", parameters, text)


def test_gos_placeholders_are_parameters_of_that_name_in_any_case() -> None:
    query = template(GO, "Namespace", "Name", "Interval")
    assert query.problems() == []
    bound = query.bind({"namespace": "demo", "name": "web.*", "INTERVAL": "5s"})
    assert bound.promql == 'sum(rate(m{ns="demo",w=~"web.*",code!~"5.*"}[5s])) * 100'
    assert bound.arguments == (("Interval", "5s"), ("Name", "web.*"), ("Namespace", "demo"))


@pytest.mark.parametrize(
    "text",
    [
        'm{a="[[ name ]]"}[[[ interval ]]]',
        'm{a="{{ name }}"}[{{ interval }}]',
        'm{a="{{- name -}}"}[{{interval}}]',
        'm{a="[[ .Name ]]"}[[[ .Interval ]]]',
        'm{a="{{ name | lower }}"}[{{ interval | default("1m") }}]',
        '{% if name == "web" %}m{a="web"}{% else %}n{% endif %}[{{ interval }}]',
    ],
)
def test_both_sorts_of_brackets_filters_and_if(text: str) -> None:
    query = template(text, "name", "interval")
    assert query.problems() == []
    assert query.bind({"name": "web", "interval": "5s"}).promql == 'm{a="web"}[5s]'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("m{a=\"{{ other }}\",b='{{ .More }}'}", "parameter 'More' is used but not declared"),
        ("m{a=\"{{ other }}\",b='{{ .More }}'}", "parameter 'other' is used but not declared"),
        ("{{ name ]]", "isn't closed"),
        ("[[ name }}", "isn't closed"),
        ("m{{", "isn't closed"),
        ("{{ name.__class__ }}", "Getattr isn't allowed"),
        ("{{ name() }}", "Call isn't allowed"),
        ("{{ 9 ** 9 ** 9 }}", "Pow isn't allowed"),
        ("{{ name ~ name }}", "Concat isn't allowed"),
        ("{% for a in name %}x{% endfor %}", "For isn't allowed"),
        ("{% set a = 1 %}", "isn't allowed"),
        ("{% include 'x' %}", "isn't allowed"),
        ("{% macro a() %}{% endmacro %}", "isn't allowed"),
        ("{{ name | center(999999999) }}", "no filter 'center'"),
        ("{{ name | safe }}", "no filter 'safe'"),
        ("{{ name | raw }}", "no filter 'raw'"),
        ("{{ name | promql_bare }}", "no filter 'promql_bare'"),
        ("m{a=`{{ name }}`}", "between backticks"),
        ('m{a="\\{{ name }}"}', "right after a backslash"),
        ('m{a="{% if name %}"{% endif %}', "a quote opens or closes inside an if"),
        ("{% if name %}x", "line 1"),
        ("x" * (MAX_TEMPLATE + 1), "longer than"),
        ("   ", "empty"),
        ("{{ " + "(" * 5000 + "name" + ")" * 5000 + " }}", "nested too deeply"),
    ],
)
def test_what_a_template_may_not_hold_is_said_at_load(text: str, problem: str) -> None:
    query = template(text, "name")
    assert problem in "\n".join(query.problems())
    with pytest.raises(ArgumentError):
        query.bind({"name": "x"})


def test_all_undeclared_parameters_are_named_at_once() -> None:
    problems = template("m{a='{{ a }}',b='{{ b }}'}", "c", "C").problems()
    assert len(problems) == 3


def test_missing_and_unknown_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match="no parameter 'nam'; Name is missing") as caught:
        template('m{a="{{ .Name }}"}', "Name").bind({"nam": "x"})
    assert "query mine" in str(caught.value)


def test_outside_quotes_only_a_duration_a_number_or_a_name_may_stand() -> None:
    query = template("rate({{ metric }}[{{ w }}]) > {{ x }} # {{ metric }}", "metric", "w", "x")
    assert query.bind({"metric": "a:b_c", "w": "1m30s", "x": -1.5e-7}).promql == (
        "rate(a:b_c[1m30s]) > -1.5e-07 # a:b_c"
    )
    for name, evil in [("w", "5s]) or vector(1"), ("metric", "a b"), ("x", "1 or vector(1)")]:
        with pytest.raises(ArgumentError, match="outside quotes"):
            query.bind({"metric": "m", "w": "5s", "x": "1"} | {name: evil})


def test_a_comment_with_an_apostrophe_opens_no_quote() -> None:
    query = template("m # it's fine\n[{{ w }}]", "w")
    with pytest.raises(ArgumentError, match="outside quotes"):
        query.bind({"w": "a b"})


def test_long_values_and_long_queries_are_refused() -> None:
    with pytest.raises(ArgumentError, match="longer than 4000"):
        template('m{a="{{ a }}"}', "a").bind({"a": "x" * 4001})
    with pytest.raises(ArgumentError, match="longer than 64000"):
        template('"{{ a }}"' * 20, "a").bind({"a": "x" * 4000})


LITERAL = re.compile(r'"(?:[^"\\\n]|\\(?:[abfnrtv\\"]|x[0-9a-f]{2}))*"')
UNESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|([n\\]))")


def read_back(literal: str) -> str:
    def one(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else {"n": "\n", "\\": "\\"}[match[2]]

    return UNESCAPE.sub(one, literal[1:-1])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(EVIL))
@example("\\")
@example('"')
def test_no_value_breaks_out_of_its_quotes_and_none_is_changed(value: str) -> None:
    for quote in ('"', "'"):
        text = template("m{a=" + quote + "{{ a }}" + quote + "}", "a").bind({"a": value}).promql
        literal = text.removeprefix("m{a=").removesuffix("}")
        assert literal[0] == literal[-1] == quote
        assert LITERAL.fullmatch('"' + literal[1:-1] + '"')
        assert quote not in literal[1:-1]
        assert read_back(literal) == value


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_name_as_a_pattern_matches_only_itself(name: str) -> None:
    pattern = regex(name)
    assert re.fullmatch(pattern, name, re.DOTALL)
    assert not re.fullmatch(pattern, name + "x", re.DOTALL)
    bound = template('m{a=~"{{ a | regex }}"}', "a").bind({"a": name})
    assert bound.promql == 'm{a=~"' + escape(pattern) + '"}'


@given(st.text(max_size=120))
def test_any_text_is_a_template_or_a_bad_template(text: str) -> None:
    try:
        compile_template(text)
    except BadTemplate as error:
        assert str(error)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ArgumentError, match="surrogate"):
        template('m{a="{{ a }}"}', "a").bind({"a": "\ud800"})
