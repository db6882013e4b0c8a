"""Rules by chance: what is valid compiles, and nothing that anybody writes breaks the check."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autopilot.base.errors import InvalidInput
from autopilot.rules.check_files import Checked
from autopilot.rules.compile import analyse, compile_rule, long_form
from autopilot.rules.schema import rule_schema
from autopilot.spec.positions import Document

HEAD = {
    "apiVersion": "autopilot.mesh/v1alpha1",
    "kind": "Rule",
    "metadata": {"name": "any", "namespace": "shop"},
}
SIGNALS = {
    "errors": {"builtin": "errorRate"},
    "p99": {"builtin": "latency", "quantile": 0.99, "backend": "web"},
    "rate": {"builtin": "requestRate", "from": "cart"},
    "up": {"ready": "web"},
    "fires": {"alert": "Down"},
    "depth": {"query": "sum(depth)", "unit": "count", "empty": "zero"},
}
CONDITIONS = (
    "errors > 5%",
    "p99 > 800ms && rate > 10",
    "up >= 2",
    "fires || depth > 7",
    "!(errors < 1%)",
    "ladder.done && p99 < 1s",
    "true",
    "errors > 5",
    "nothing > 1",
    "p99 > 1s &&",
)
NAMES = ("A", "B", "C", "D")
DURATIONS = st.sampled_from(["0s", "5s", "1m30s", "2h", "soon", 5])
SHARES = st.sampled_from([0, 25, "50%", "100%", ["10%", "50%"], ["50%", "10%"], [], 0.5, "x"])


def maybe(**fields: Any) -> Any:
    return st.fixed_dictionaries({}, optional=fields)


ACTIONS = st.one_of(
    maybe(to=st.sampled_from(["b", "web", "b/v2"]), share=SHARES, dwell=DURATIONS).map(
        lambda it: {"split": it}
    ),
    maybe(to=st.just("b"), share=SHARES, dwell=DURATIONS).map(lambda it: {"failover": it}),
    maybe(share=SHARES, dwell=DURATIONS, status=st.just(503)).map(lambda it: {"shed": it}),
    maybe(duration=DURATIONS).map(lambda it: {"timeout": it}),
    maybe(to=st.just("shadow"), percentage=SHARES, dwell=DURATIONS).map(lambda it: {"mirror": it}),
    maybe(maxRequests=st.integers(0, 5), interval=DURATIONS).map(
        lambda it: {"outlierDetection": it}
    ),
    maybe(attempts=st.integers(-1, 3), retryOn=st.just("5xx")).map(lambda it: {"retry": it}),
    maybe(text=st.sampled_from(["[[ p99 ]]", "[[ x"]), secret=st.just("hook")).map(
        lambda it: {"notify": it}
    ),
)
WAYS = st.fixed_dictionaries(
    {"to": st.sampled_from(NAMES)},
    optional={
        "when": st.sampled_from(CONDITIONS),
        "for": DURATIONS,
        "times": st.sampled_from(["1/2", "3/2", "x"]),
        "after": st.sampled_from(["10s", "1m..30m", "3m..1m"]),
        "approve": st.booleans(),
        "back": st.booleans(),
    },
)
LEAVE = st.fixed_dictionaries({"to": st.sampled_from(NAMES), "after": DURATIONS})


def phase(name: str, initial: bool) -> Any:
    return st.fixed_dictionaries(
        {"name": st.just(name), "initial": st.just(initial)},
        optional={
            "final": st.booleans(),
            "actions": st.lists(ACTIONS, max_size=2),
            "while": st.sampled_from(CONDITIONS),
            "maxStay": LEAVE,
            "whenBlind": LEAVE,
            "transitions": st.lists(WAYS, max_size=3),
        },
    )


def spec(count: int) -> Any:
    return st.fixed_dictionaries(
        {
            "target": st.just({"service": "web"}),
            "signals": st.just(SIGNALS),
            "phases": st.tuples(*(phase(name, name == "A") for name in NAMES[:count])).map(list),
        },
        optional={"fromAny": st.lists(WAYS, max_size=1), "interval": DURATIONS},
    )


RULES = st.integers(1, 4).flatmap(spec).map(lambda it: {**HEAD, "spec": copy.deepcopy(it)})
SOUND_WAYS = st.fixed_dictionaries(
    {"to": st.sampled_from(NAMES[:3]), "when": st.sampled_from(CONDITIONS[:5])},
    optional={"for": st.sampled_from(["5s", "1m"]), "times": st.just("2/3")},
)
SOUND = st.tuples(*(st.lists(SOUND_WAYS, min_size=1, max_size=2) for _ in range(3))).map(
    lambda ways: {
        **HEAD,
        "spec": {
            "target": {"service": "web"},
            "signals": SIGNALS,
            "phases": [
                {"name": name, "initial": name == "A", "transitions": list(each)}
                for name, each in zip(NAMES, ways, strict=False)
            ],
        },
    }
)
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)


def check_one(rule: dict[str, Any]) -> bool:
    """Whether it is valid; everything that says so must agree."""
    found = analyse(Document("any.yaml", rule))
    assert (found.program is None) == bool(found.problems)
    if found.program is None:
        with pytest.raises(InvalidInput):
            compile_rule(rule)
        return False
    assert compile_rule(rule) == found.program
    # What is written out says the same, in YAML too.
    long = yaml.safe_load(yaml.safe_dump(long_form(Document("any.yaml", rule))))
    assert compile_rule(long) == found.program
    names = set(found.program.phases)
    assert found.program.initial in names
    for plan in found.program.phases.values():
        assert {way.to for way in plan.judged.transitions} <= names
        assert plan.rungs == max((len(one.rungs) for one in plan.actions), default=1)
    return True


@relaxed
@given(RULES)
def test_a_rule_is_refused_with_problems_or_compiles_and_says_the_same_written_out(
    rule: dict[str, Any],
) -> None:
    check_one(rule)


@relaxed
@given(SOUND)
def test_rules_that_only_move_between_phases_are_refused_for_ways_alone(
    rule: dict[str, Any],
) -> None:
    if not check_one(rule):
        problems = analyse(Document("any.yaml", rule)).problems
        said = ("leads to itself", "can't be reached", "there twice")
        assert all(any(words in one.message for words in said) for one in problems)


@relaxed
@given(
    short=st.fixed_dictionaries(
        {"to": st.sampled_from(["b", "b/v2"]), "when": st.sampled_from(CONDITIONS[:1])},
        optional={
            "for": st.sampled_from(["0s", "10s"]),
            "needs": st.sampled_from(["standby_ready >= 2", "standby_ready >= 1 && !fires"]),
            "return": st.one_of(
                st.just("manual"),
                maybe(
                    gate=st.sampled_from(["ready", "manual"]),
                    trial=st.sampled_from([[1, 10], "5%", ["1%", "99%"]]),
                    dwell=st.sampled_from(["10s", "5m"]),
                    good=st.sampled_from(["primary_errors < 1%", "primary_p99 < 1s || depth < 2"]),
                    backoff=st.sampled_from(["5m", "5m..2h"]),
                ),
            ),
        },
    )
)
def test_every_sound_failover_compiles(short: dict[str, Any]) -> None:
    spec = {"target": {"service": "web"}, "signals": SIGNALS, "failover": short}
    assert check_one({**HEAD, "spec": spec})


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = sorted(
    {name for part in rule_schema()["$defs"].values() for name in part.get("properties", {})}
)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A rule with some of its parts replaced by anything at all."""
    rule = copy.deepcopy(draw(RULES))
    for _ in range(draw(st.integers(1, 3))):
        here: Any = rule
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(here[key], dict | list) and here[key] and draw(st.booleans()):
                here = here[key]
                continue
            if isinstance(here, dict) and draw(st.booleans()):
                key = draw(st.sampled_from(FIELDS))
            here[key] = draw(JUNK)
            break
    return rule


@relaxed
@given(damaged())
def test_whatever_stands_in_a_rule_it_is_valid_or_invalid_input(rule: Any) -> None:
    try:
        compile_rule(rule)
    except InvalidInput as error:
        assert error.problems


@relaxed
@given(damaged().map(lambda it: yaml.safe_dump(it, allow_unicode=True)), st.data())
def test_whatever_a_file_holds_the_check_ends_with_problems_or_rules(
    text: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(text)))
    for each in (text, text[:cut], text[:cut] + data.draw(st.text(max_size=5)) + text[cut:]):
        checked = Checked()
        checked.text(each, "any.yaml")
        for problem in checked.problems:
            assert len(str(problem)) < 3000


@relaxed
@given(st.text(max_size=200))
def test_any_text_at_all_is_checked(text: str) -> None:
    Checked().text(text, "any.yaml")
