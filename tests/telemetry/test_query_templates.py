"""Templates: what they may hold, and that no value gets out of its place."""

from __future__ import annotations

import re
import time

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


BOMBS = {
    "nested ifs": "{% if a %}" * 300 + "x" + "{% endif %}" * 300,
    "a huge if": "{% if a %}" + "{% elif a %}x" * 1200 + "{% endif %}",
    "one filter on another": "{{ a" + "|upper" * 300 + " }}",
    "a filter that doubles": '"{{ a' + "|regex" * 60 + ' }}"',
    "parentheses": "{{ " + "(" * 2000 + "a" + ")" * 2000 + " }}",
    "negations": "{{ 1 if " + "not " * 3000 + "a else 2 }}",
    "choices": "{{ " + "1 if a else " * 1200 + "2 }}",
    "defaults": "{{ " + "a|default(" * 1200 + '"x"' + ")" * 1200 + " }}",
    "comparisons": "{{ 1 if " + "a < " * 3000 + "a else 2 }}",
    "placeholders": '"' + "{{a}}" * 2500 + '"',
    "digits": "{{ " + "9" * 15_000 + " }}",
    "brackets": "[[" * 8000,
    "braces": "{{ a -" * 2500,
    "a loop": "{% for a in range(1000000000) %}x{% endfor %}",
    "a product": "{{ 'x' * 1000000000 }}",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_template_bomb_is_refused_before_it_goes_off(bomb: str) -> None:
    began = time.process_time()
    with pytest.raises(BadTemplate):
        compile_template(bomb)
    # The worst of them would take most of a minute to compile.
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        '"' + "{{ a }}" * 400 + '"',
        '"{{ a' + "|regex" * 12 + ' }}"',
        "".join("{% if a %}" for _ in range(6)) + '"{{ a }}"' * 300 + "{% endif %}" * 6,
    ],
)
def test_the_largest_template_that_passes_renders_no_more_than_its_limit(text: str) -> None:
    began = time.process_time()
    compiled = compile_template(text)
    with pytest.raises(ValueError, match=r"longer than 64000|grew longer"):
        compiled.render({"a": "." * 4000})
    assert time.process_time() - began < 5


def test_a_label_is_a_whole_literal_outside_quotes_and_its_text_inside() -> None:
    query = template("m{a=[[ a | label ]],b='[[ a | label ]]',c=~[[ a | regex | label ]]}", "a")
    assert query.bind({"a": "web"}).promql == 'm{a="web",b=\'web\',c=~"web"}'
    evil = query.bind({"a": 'x"} or vector(1) #'}).promql
    assert evil.count('"') == 4
    for text in ("{{ a | label | upper }}", "{{ 1 if a else (a | label) }}", '{{ a | trim("x") }}'):
        with pytest.raises(BadTemplate, match=r"comes last|takes no argument"):
            compile_template(text)


def test_a_comparison_of_a_text_with_a_number_is_refused_when_rendered() -> None:
    with pytest.raises(ArgumentError, match="different sorts"):
        template("{{ 1 if a < 5 else 2 }}", "a").bind({"a": "x"})


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
