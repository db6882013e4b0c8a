"""`autopilot rule backtest`, on a real Prometheus that remembers a bad quarter of an hour."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from rules_kit import failover
from rules_past import START, Past

from autopilot.base.timestamps import stamp
from autopilot.cli.main import cli
from autopilot.rules.backtest import backtest, moment, span_of
from autopilot.telemetry.history import Span
from autopilot.telemetry.sample import Sample, Why

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from click.testing import Result

    Remembering = Callable[[Past], Awaitable[str]]

RULE = """\
apiVersion: autopilot.mesh/v1alpha1
kind: Rule
metadata: {name: checkout, namespace: shop}
spec:
  target: {service: checkout}
  failover:
    to: checkout-standby
    when: errors > 5% || p99 > 800ms
    for: 10s
    needs: standby_ready >= 2
    return:
      gate: ready
      trial: [1%, 10%]
      dwell: 30s
      good: primary_errors < 1% && primary_p99 < 400ms
      backoff: 1m..30m
"""
READY = ("--assume", "standby_ready=2", "--assume", "primary_ready=2")


async def asked(folder: Path, address: str, *options: str, rule: str = RULE) -> Result:
    (folder / "rule.yaml").write_text(rule)
    given = ["rule", "backtest", str(folder / "rule.yaml"), "--prometheus", address, *options]
    return await asyncio.to_thread(CliRunner().invoke, cli, given)


def after(seconds: float) -> str:
    return stamp(START + timedelta(seconds=seconds))


@pytest.mark.envoy
async def test_a_bad_quarter_of_an_hour_is_told_with_what_the_rule_would_have_done(
    tmp_path: Path, remembering: Remembering
) -> None:
    past = Past()
    past.go_on(300)
    past.go_on(120, failing=0.5)
    past.go_on(300)
    past.go_on(120, up=False)
    past.go_on(120)
    address = await remembering(past)
    between = ("--from", after(60), "--to", after(past.seconds))
    done = await asked(tmp_path, address, *between, *READY, "-o", "json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    told = [(one["phase"], one["rung"], one["reason"]) for one in found["timeline"]]
    assert told[:2] == [("Normal", 1, "Initialized"), ("Standby", 1, "ConditionMet")]
    failed = datetime.fromisoformat(found["timeline"][1]["at"])
    assert timedelta(seconds=310) <= failed - START <= timedelta(seconds=330)
    assert "errors" in found["timeline"][1]["message"]
    assert "%" in found["timeline"][1]["message"]
    # The trial after a minute sees the same errors; the next one comes two minutes later.
    assert ("Standby", 1, "ConditionMet") in told[3:]
    assert told[-3:] == [
        ("Trial", 1, "ConditionMet"),
        ("Trial", 2, "Climbed"),
        ("Normal", 1, "ConditionMet"),
    ]
    totals = found["totals"]
    assert totals["transitions"] == sum(reason == "ConditionMet" for *_, reason in told)
    assert sum(totals["seconds"].values()) == past.seconds - 60
    (gap,) = [one for one in found["gaps"] if one["signal"] == "p99"]
    began = datetime.fromisoformat(gap["from"]) - START
    assert timedelta(seconds=720) <= began <= timedelta(seconds=780)
    assert 60 <= gap["seconds"] <= 125
    assert gap["why"].startswith(("stale", "no data"))
    assert any("happened without the rule" in note for note in found["notes"])

    said = await asked(tmp_path, address, *between, *READY)
    assert f"{after(60)}  Initialized: begins in Normal" in said.stdout
    assert "entered Standby: errors" in said.stdout
    assert f"{gap['from']} for" in said.stdout
    assert "standby_ready      2" in said.stdout


ALERTED = """\
apiVersion: autopilot.mesh/v1alpha1
kind: Rule
metadata: {name: search, namespace: shop}
spec:
  target: {service: search}
  signals:
    alarm: {alert: SearchDown}
    queue: {query: "sum(queue_depth{service=[[ service | label ]]})", unit: count, empty: zero}
  phases:
    - name: Normal
      initial: true
      transitions: [{to: Shedding, when: alarm && queue > 10, times: 2/3}]
    - name: Shedding
      actions: [{shed: {share: 50%}}]
      transitions: [{to: Normal, when: "!alarm", for: 20s, back: true}]
"""


@pytest.mark.envoy
async def test_alerts_and_queries_of_ones_own_are_read_from_the_past(
    tmp_path: Path, remembering: Remembering
) -> None:
    past = Past()
    firing = 'ALERTS{alertname="SearchDown",alertstate="firing"}'
    past.gauge(firing, dict.fromkeys(range(60, 200, 5), 1))
    depths = {at: 99.0 if at >= 100 else 3.0 for at in range(30, 300, 5)}
    past.gauge('queue_depth{service="search"}', depths)
    address = await remembering(past)
    between = ("--from", after(0), "--to", after(900))
    done = await asked(tmp_path, address, *between, "-o", "json", rule=ALERTED)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    steps = [(one["at"], one["phase"], one["message"]) for one in found["timeline"]]
    began = "alarm is true and queue 99 > 10, in 2 of 3 samples"
    assert steps[1] == (after(105), "Shedding", f"entered Shedding: {began}")
    # Prometheus takes a series that ends without a word for another five minutes.
    assert steps[2][1] == "Normal"
    assert after(195 + 300 + 20) <= steps[2][0] <= after(195 + 300 + 30)
    assert found["gaps"] == []


@pytest.mark.envoy
async def test_what_isnt_recorded_is_unknown_and_says_so(
    tmp_path: Path, remembering: Remembering
) -> None:
    past = Past()
    past.go_on(120, failing=0.5)
    address = await remembering(past)
    done = await asked(tmp_path, address, "--from", after(0), "--to", after(120))
    assert done.exit_code == 0, done.output
    assert "0 transitions" in done.stdout
    assert "standby_ready isn't recorded" in done.stdout
    assert "--assume standby_ready=2" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "yesterday"), "--from: 'yesterday' is no time"),
        (("--from", "-2"), "--from: '2' is no duration"),
        (("--from", "now", "--to", "-1h"), "ends before it begins"),
        (("--from", "-1h", "--step", "5"), "--step: '5' is no duration"),
        (("--from", "-1h", "--step", "0s"), "--step: 0s is no time"),
        (("--from", "-1h", "--assume", "ready=2"), "there is no signal 'ready'"),
        (("--from", "-1h", "--assume", "errors"), "write SIGNAL=VALUE"),
        (("--from", "-1h", "--assume", "errors=2"), "'2' isn't a share"),
        (("--from", "-1h", "--name", "chekout"), "no such rule; did you mean 'checkout'?"),
        ((), "--from"),
    ],
)
async def test_what_is_typed_wrong_is_told_before_anything_is_asked(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = await asked(tmp_path, "http://127.0.0.1:9", *options)
    assert done.exit_code == 2, done.output
    assert said in done.stderr


async def test_a_broken_rule_is_refused_with_all_its_errors(tmp_path: Path) -> None:
    rule = RULE.replace("p99 > 800ms", "p98 > 800ms").replace("dwell: 30s", "dwel: 30s")
    done = await asked(tmp_path, "http://127.0.0.1:9", "--from", "-1h", rule=rule)
    problems = getattr(done.exception, "problems", ())
    assert len(problems) == 2


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_times_are_read_as_people_write_them() -> None:
    assert moment("now", NOW) == NOW
    assert moment("-1d2h", NOW) == NOW - timedelta(hours=26)
    assert moment("2026-01-01T12:00:00Z", NOW) == START
    assert moment("2026-01-01T13:00:00+01:00", NOW) == START


def test_a_long_past_is_looked_at_in_larger_steps() -> None:
    program = failover()
    assert span_of(program, START, NOW, None).step == timedelta(seconds=5)
    month = span_of(program, START, START + timedelta(days=30), None)
    assert month.step == timedelta(seconds=130)
    assert month.count <= 20_001
    asked = span_of(program, START, NOW, timedelta(seconds=1))
    assert asked.step == timedelta(seconds=1)


def test_too_few_requests_are_a_gap_with_its_reason() -> None:
    program = failover()
    span = Span(START, START + timedelta(seconds=20), timedelta(seconds=5))
    known = Sample("errors", value=0.5, at=START)
    gone = Sample("errors", why=Why.SOURCE_DOWN, detail="refused")
    samples = [known, gone, gone, known, known]
    past = {"errors": [(START + timedelta(seconds=5 * n), one) for n, one in enumerate(samples)]}
    found = backtest(program, span, past, {"standby_ready": 2.0, "p99": 90.0})
    (gap,) = found.gaps
    assert (gap.signal, gap.seconds, gap.why) == ("errors", 10, "source down: refused")
    assert found.phases == {"Normal": 20, "Standby": 0, "Trial": 0}, "10 s were never watched"
