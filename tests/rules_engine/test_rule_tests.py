"""`autopilot rule test`: what is read, what is told, how it exits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from autopilot.cli.main import cli
from autopilot.rules.testfile_values import row_of, value_of
from autopilot.verdict.units import Unit

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

RULE = """\
apiVersion: autopilot.mesh/v1alpha1
kind: Rule
metadata: {name: brown-out, namespace: shop}
spec:
  target: {service: search}
  signals:
    p99: {builtin: latency, window: 30s, backend: search}
    alarm: {alert: SearchDown}
  phases:
    - name: Normal
      initial: true
      transitions: [{to: Shedding, when: "p99 > 1.5s || alarm", for: 15s}]
    - name: Shedding
      actions: [{shed: {headers: {x-priority: [batch]}, share: [25%, 100%], dwell: 20s}}]
      while: p99 > 1s
      transitions: [{to: Normal, when: "p99 < 500ms && !alarm", approve: true}]
      whenBlind: {to: Normal, after: 5m}
"""

PASSES = """\
rules: rule.yaml
tests:
  - name: It sheds in steps, and a person ends it.
    interval: 10s
    signals: {p99: 90ms 2sx12 90ms, alarm: false}
    approve: [{at: 1m, phase: Normal}]
    expect:
      - {at: 24s, phase: Normal, events: []}
      - at: 25s
        phase: Shedding
        rung: 1
        actions: "shed search: 25 % answered 503 of some callers"
        events: ["ConditionMet: entered Shedding: p99 2 s > 1.5 s, for 15s"]
      - {at: 50s, rung: 2, events: [Climbed]}
      - {at: 129s, phase: Shedding}
      - {at: 130s, phase: Normal, actions: [], events: [approved]}
  - name: Nobody approves.
    start: Shedding
    steps: [{at: 0s, p99: 90ms, alarm: false}]
    until: 1d
    never: [Normal]
"""


def ran(folder: Path, tests: str, *options: str, rule: str = RULE) -> Result:
    (folder / "rule.yaml").write_text(rule)
    (folder / "x_test.yaml").write_text(tests)
    return CliRunner().invoke(cli, ["rule", "test", str(folder / "x_test.yaml"), *options])


def one(**test: Any) -> str:
    found = {"name": "It.", "steps": [{"at": "0s", "p99": "2s", "alarm": False}], **test}
    return json.dumps({"rules": ["rule.yaml"], "tests": [found]})


def test_what_holds_passes(tmp_path: Path) -> None:
    done = ran(tmp_path, PASSES)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "2 tests: ok"


@pytest.mark.parametrize(
    ("expect", "what", "expected", "got"),
    [
        ({"at": "14s", "phase": "Shedding"}, "phase", "Shedding", "Normal"),
        ({"at": "15s", "rung": 2}, "rung", "2", "1 of 2 in Shedding"),
        (
            {"at": "15s", "actions": []},
            "actions",
            "none",
            "shed search: 25 % answered 503 of some callers",
        ),
        (
            {"at": "15s", "events": []},
            "events",
            "none",
            "ConditionMet: entered Shedding: p99 2 s > 1.5 s, for 15s",
        ),
        ({"at": "14s", "events": ["entered"]}, "events", "entered", "none"),
    ],
)
def test_what_doesnt_hold_is_told_with_what_was_and_why(
    tmp_path: Path, expect: dict[str, Any], what: str, expected: str, got: str
) -> None:
    done = ran(tmp_path, one(expect=[expect]), "-o", "json")
    assert done.exit_code == 1, done.output
    (test,) = json.loads(done.stdout)["tests"]
    (failure,) = test["failures"]
    assert (failure["what"], failure["expected"], failure["got"]) == (what, expected, got)
    assert failure["why"][:3] == [
        "in Normal:",
        "  to Shedding: " + failure["why"][1][15:],
        *(["    one of these is true:"]),
    ]
    assert "      p99 2 s > 1.5 s is true" in failure["why"]


def test_a_failing_test_shows_its_timeline_and_its_lines(tmp_path: Path) -> None:
    done = ran(tmp_path, PASSES.replace("at: 24s, phase: Normal", "at: 24s, phase: Shedding"))
    assert done.exit_code == 1
    assert f"FAIL  {tmp_path}/x_test.yaml:3: It sheds" in done.stdout
    assert f"{tmp_path}/x_test.yaml:8: at 24s: phase" in done.stdout
    assert "lacks 1s more of for: 15s" in done.stdout
    assert "25s       ConditionMet: entered Shedding" in done.stdout
    assert done.stdout.splitlines()[-1] == "2 tests: 1 failed"


def test_a_phase_that_must_never_be_entered_is_told_with_its_cause(tmp_path: Path) -> None:
    done = ran(tmp_path, one(until="1h", never=["Shedding"]))
    assert done.exit_code == 1
    assert "Shedding at 15s: entered Shedding: p99 2 s > 1.5 s, for 15s" in done.stdout


WRONG = [
    ({"steps": [{"at": "0s", "p98": "2s"}]}, "steps[0].p98: there is no signal 'p98'", "'p99'"),
    ({"signals": {"p99": "2"}}, "signals.p99: '2' isn't a time", "write it like 800ms"),
    ({"signals": {"alarm": "6%"}}, "signals.alarm: '6%' is neither", "true, false or _"),
    ({"signals": {"p99": "2s*4"}}, "signals.p99: '2s*4' isn't a time", "like 800ms"),
    ({"signals": {"p99": "2s 2sx"}}, "signals.p99: '2sx' is no value", "like 800msx12"),
    ({"signals": {"p99": ""}}, "signals.p99: is empty", "800msx12"),
    ({"signals": {"p99": "2sx999999"}}, "signals.p99: is longer than", "interval"),
    ({"steps": [{"at": "5s"}, {"at": "5s"}]}, "steps[1].at: isn't after", "order of time"),
    (
        {"signals": {"p99": "2sx9 1s"}, "steps": [{"at": "5s", "p99": "1s"}]},
        "steps[0].p99: comes while its row",
        "",
    ),
    ({"start": "Sheding"}, "start: there is no phase 'Sheding'", "'Shedding'"),
    ({"never": ["Open"]}, "never[0]: there is no phase 'Open'", ""),
    ({"approve": [{"at": "1s", "phase": "Shed"}]}, "approve[0].phase: there is no phase", ""),
    ({"expect": [{"at": "1s", "phase": "Normal", "rung": 2}]}, "expect[0].rung: Normal has 1", ""),
    ({"until": "1s", "expect": [{"at": "2s"}]}, "expect[0].at: is after the test's end", ""),
    ({"rule": "brownout"}, "rule: there is no rule 'brownout'", "'brown-out'"),
    ({"until": "400d"}, "lasts longer than a year", ""),
    ({"expect": []}, "expects nothing", "write expect or never"),
    ({"interval": "0s"}, "interval: is no time", "5s"),
    ({"expekt": []}, "tests[0].expekt: unknown key", "'expect'"),
    ({"expect": [{"at": 5}]}, "expect[0].at: 5 has no unit", "5s"),
]


@pytest.mark.parametrize(("change", "message", "hint"), WRONG)
def test_what_is_wrong_in_a_file_is_told_with_its_place(
    tmp_path: Path, change: dict[str, Any], message: str, hint: str
) -> None:
    done = ran(tmp_path, one(**{"expect": [{"at": "1s"}], **change}))
    assert done.exit_code == 2, done.output
    assert f"{tmp_path}/x_test.yaml:1: tests[0]" in done.stderr
    assert message in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.output


def test_all_errors_come_at_once_and_no_test_is_run(tmp_path: Path) -> None:
    broken = PASSES.replace("alarm: false}", "alrm: false}", 1).replace("[Normal]", "[Norml]")
    done = ran(tmp_path, broken)
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [
        f"{tmp_path}/x_test.yaml:5",
        f"{tmp_path}/x_test.yaml:21",
    ]
    assert done.stdout == ""


def test_a_broken_rule_is_told_as_validate_tells_it_once(tmp_path: Path) -> None:
    done = ran(tmp_path, PASSES, rule=RULE.replace("p99 > 1.5s", "p98 > 1.5s"))
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path}/rule.yaml:12: spec.phases[0].transitions[0].when: column 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: no.yaml\ntests: [{name: x}]", "no.yaml: no such file"),
        ("tests: []", "rules: is missing"),
        ("rules: [", "not YAML"),
        (RULE, "is a Rule, not a file of tests"),
        ("", "is empty"),
        ("rules: x_test.yaml\ntests: [{name: x}]", "there is no rule in these files"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    done = ran(tmp_path, text)
    assert done.exit_code == 2
    assert message in done.stderr


def test_of_a_folder_the_tests_are_run_and_an_empty_one_is_refused(tmp_path: Path) -> None:
    ran(tmp_path, PASSES)
    assert CliRunner().invoke(cli, ["rule", "test", str(tmp_path)]).exit_code == 0
    (tmp_path / "none").mkdir()
    done = CliRunner().invoke(cli, ["rule", "test", str(tmp_path / "none")])
    assert (done.exit_code, "no test there" in done.stderr) == (2, True)
    done = CliRunner().invoke(cli, ["rule", "test", str(tmp_path / "gone_test.yaml")])
    assert (done.exit_code, "No such file" in done.stderr) == (2, True)


def test_a_number_that_yaml_reads_as_another_is_taken_as_it_is_written(tmp_path: Path) -> None:
    rule = RULE.replace("alarm: {alert: SearchDown}", "alarm: {alert: X}\n    up: {ready: search}")
    rule = rule.replace("p99 < 500ms && !alarm", "up < 1")
    tests = """\
rules: rule.yaml
tests:
  - name: Six times nothing isn't six.
    start: Shedding
    interval: 1m
    signals: {up: 0x6 7}
    approve: [{at: 1s, phase: Normal}]
    expect: [{at: 2s, phase: Normal}]
"""
    done = ran(tmp_path, tests, rule=rule)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("said", "unit", "value"),
    [
        ("6%", Unit.RATIO, 0.06),
        ("6%", Unit.PERCENT, 6.0),
        ("812ms", Unit.MILLISECONDS, 812.0),
        ("1.5s", Unit.MILLISECONDS, 1500.0),
        ("2m", Unit.SECONDS, 120.0),
        ("200/s", Unit.RATE, 200.0),
        (200, Unit.RATE, 200.0),
        (0, Unit.RATIO, 0.0),
        ("true", Unit.BOOL, 1.0),
        (False, Unit.BOOL, 0.0),
        ("_", Unit.BOOL, None),
        ("-3", Unit.COUNT, -3.0),
    ],
)
def test_values_are_read_in_the_signals_unit(said: Any, unit: Unit, value: float | None) -> None:
    assert value_of(said, unit) == value


@pytest.mark.parametrize(
    ("said", "unit"),
    [("6", Unit.RATIO), ("1e999", Unit.COUNT), ("nan", Unit.COUNT), ("x", Unit.RATE)],
)
def test_a_value_whose_meaning_would_be_a_guess_is_refused(said: str, unit: Unit) -> None:
    with pytest.raises(ValueError, match="write it like"):
        value_of(said, unit)


def test_a_row_says_how_often_each_value_comes() -> None:
    assert row_of("0%x60 6%x12 _x6 1%", Unit.RATIO) == [(60, 0.0), (12, 0.06), (6, None), (1, 0.01)]


def test_the_schema_for_editors_names_every_field_with_a_description() -> None:
    done = CliRunner().invoke(cli, ["schema", "rule-test"])
    schema = json.loads(done.stdout)
    assert {*schema["properties"]} == {"rules", "tests"}
    test = schema["$defs"]["TestSpec"]["properties"]
    assert {"signals", "steps", "approve", "expect", "never", "start", "until"} < {*test}
    assert all(field.get("description") for field in test.values())
    step = schema["$defs"]["StepSpec"]
    assert step["additionalProperties"] is True
