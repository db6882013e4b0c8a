"""What a rule becomes: the two of the issue, the short form written out, the parts of a program."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from autopilot.base.errors import InvalidInput
from autopilot.mesh.actions import OutlierDetection, Shed, Shift, Where
from autopilot.rules.check_files import rules_in
from autopilot.rules.compile import analyse, compile_rule, long_form
from autopilot.rules.program import LADDER_DONE, Program, Ready
from autopilot.verdict.units import Unit

HEAD = """
apiVersion: autopilot.mesh/v1alpha1
kind: Rule
metadata: {name: it, namespace: shop}
"""
FAILOVER = f"""{HEAD}
spec:
  mode: enforce
  target: {{service: checkout}}
  failover:
    to: checkout-standby
    when: errors > 5% || p99 > 800ms
    for: 10s
    needs: standby_ready >= 2
    return: {{gate: ready, trial: [1%, 10%, 50%], dwell: 30s,
      good: "primary_errors < 1% && primary_p99 < 400ms", backoff: 1m..30m}}
"""
SHEDDING = f"""{HEAD}
spec:
  target: {{service: search}}
  interval: 5s
  signals:
    p99:   {{builtin: latency, quantile: 0.99, window: 30s, backend: search}}
    queue: {{query: 'sum(depth{{service=[[ service | label ]]}})', unit: count, empty: unknown}}
  minRequests: 20
  phases:
  - {{name: Normal, initial: true, transitions: [{{to: Shedding, when: "p99 > 1.5s", for: 15s}}]}}
  - name: Shedding
    actions:
    - shed: {{headers: {{x-priority: [batch, bot]}}, share: [25%, 50%, 100%], dwell: 20s,
        status: 503, retryAfter: 10s}}
    while: p99 > 1s
    maxStay: {{to: Normal, after: 30m}}
    transitions: [{{to: Normal, when: "p99 < 500ms", for: 2m}}]
    whenBlind: {{to: Normal, after: 5m}}
  guardrails: {{maxTransitions: {{count: 4, per: 1h}}}}
  onDelete: keep
"""


def body(text: str) -> dict[str, Any]:
    (document,) = rules_in(text, "it.yaml", [])
    return dict(document.value)


def program(text: str) -> Program:
    return compile_rule(body(text))


def rule(spec: str) -> str:
    return HEAD + "spec:\n" + spec


def written_out(text: str) -> str:
    (document,) = rules_in(text, "it.yaml", [])
    return yaml.safe_dump(long_form(document), sort_keys=False)


def test_a_failover_written_short_has_a_way_there_and_a_way_back() -> None:
    made = program(FAILOVER)
    assert list(made.phases) == ["Normal", "Standby", "Trial"]
    assert made.initial == "Normal"
    standby, trial = made.phases["Standby"], made.phases["Trial"]
    (away,) = standby.actions
    assert away.rungs == (
        Shift(
            Where("checkout", "shop"),
            {"checkout": 0, "checkout-standby": 100},
            "checkout",
            called="failover",
        ),
    )
    shares = [rung.weights["checkout"] for rung in trial.actions[0].rungs]  # type: ignore[union-attr]
    assert shares == [1, 10, 50]
    assert trial.rungs == 3 and trial.dwell == timedelta(seconds=30)
    assert trial.judged.when_blind is not None and trial.judged.when_blind.to == "Standby"
    failed, done, rescue = trial.judged.transitions
    assert (failed.to, done.to, rescue.to) == ("Standby", "Normal", "Normal")
    assert {failed.key, done.key, rescue.key} == trial.back
    assert done.when is not None and LADDER_DONE in done.when.reads
    again, from_nobody = standby.judged.transitions
    assert from_nobody.to == "Normal" and from_nobody.when is not None
    assert {*from_nobody.when.reads} == {"standby_ready", "primary_ready"}
    assert again.after is not None and str(again.after) == "1m..30m"


def test_a_failover_that_returns_by_hand_waits_for_a_person() -> None:
    text = FAILOVER[: FAILOVER.index("    return:")].replace(" || p99 > 800ms", "")
    made = program(text + "    return: manual\n")
    (way,) = made.phases["Standby"].judged.transitions
    assert way.approve and way.after is None
    assert not program(text).phases["Standby"].judged.transitions[0].approve


def test_the_signals_of_a_failover_are_seen_by_callers_or_by_backend() -> None:
    signals = program(FAILOVER).signals
    both = (("shop", "checkout"), ("shop", "checkout-standby"))
    sources = {name: signal.source for name, signal in signals.items()}
    for name in ("errors", "p99"):
        assert sources[name].target.route == both  # type: ignore[union-attr]
    for name in ("primary_errors", "primary_p99"):
        assert sources[name].target.route == both[:1]  # type: ignore[union-attr]
    assert sources["standby_ready"] == Ready("shop", "checkout-standby")
    assert signals["p99"].unit is Unit.MILLISECONDS
    assert signals["errors"].min_requests == 20
    assert signals["primary_ready"].min_requests == 0


def test_ready_endpoints_alone_make_no_phase_see() -> None:
    assert "primary_ready" in program(FAILOVER).phases["Trial"].judged.unsampled


@pytest.mark.parametrize("text", [FAILOVER, SHEDDING], ids=["short", "long"])
def test_what_is_written_out_is_valid_and_does_the_same(text: str) -> None:
    assert program(written_out(text)) == program(text)
    assert written_out(written_out(text)) == written_out(text)


def test_the_long_form_of_the_issue_sheds_in_three_steps() -> None:
    made = program(SHEDDING)
    shedding = made.phases["Shedding"]
    assert [rung.share for rung in shedding.actions[0].rungs] == [25, 50, 100]  # type: ignore[union-attr]
    first = shedding.actions[0].rungs[0]
    assert isinstance(first, Shed) and first.headers == {"x-priority": ("batch", "bot")}
    assert shedding.climbs is not None and shedding.climbs.text == "p99 > 1s"
    assert made.limits.max_transitions == (4, timedelta(hours=1))
    (document,) = rules_in(SHEDDING, "it.yaml", [])
    assert [note.path for note in analyse(document).notes] == ["spec.signals.queue"]


def test_a_signal_of_the_rule_s_own_stands_above_the_short_form_s() -> None:
    own = "  signals: {errors: {builtin: errorRate, window: 2m, minRequests: 5}}\n"
    made = program(FAILOVER + own)
    assert made.signals["errors"].min_requests == 5
    assert made.signals["errors"].source.family.span == 120  # type: ignore[union-attr]


def test_ways_out_of_every_phase_are_tried_first_and_keep_their_order() -> None:
    made = program(
        rule("""
  target: {service: web}
  signals: {p99: {builtin: latency}, off: {alert: Stop}}
  fromAny: [{to: Quiet, when: "off"}]
  phases:
  - {name: Normal, initial: true, transitions: [{to: Slow, when: p99 > 1s}]}
  - {name: Slow, transitions: [{to: Normal, when: p99 < 1s}]}
  - {name: Quiet, final: true}
""")
    )
    ways = {name: [way.to for way in plan.judged.transitions] for name, plan in made.phases.items()}
    assert ways == {"Normal": ["Quiet", "Slow"], "Slow": ["Quiet", "Normal"], "Quiet": []}
    assert made.phases["Slow"].judged.transitions[0].from_any


def test_ways_to_the_initial_phase_move_back_and_others_only_if_they_say_so() -> None:
    made = program(
        rule("""
  target: {service: web}
  signals: {p99: {builtin: latency}}
  phases:
  - {name: Normal, initial: true, transitions: [{to: A, when: p99 > 1s}]}
  - {name: A, transitions: [{to: Normal, when: p99 < 1s}, {to: B, when: p99 > 2s}]}
  - {name: B, transitions: [{to: A, when: p99 < 2s, back: true}]}
""")
    )
    back = {name: len(plan.back) for name, plan in made.phases.items()}
    assert back == {"Normal": 0, "A": 1, "B": 1}


def test_outlier_detection_is_a_host_s_and_limits_alone_eject_nobody() -> None:
    made = program(
        rule("""
  target: {service: web, from: [cart], port: 80}
  phases:
  - name: Guarded
    initial: true
    actions:
    - outlierDetection: {maxRequests: 100}
    - timeout: {duration: 2s}
""")
    )
    limits, timeout = (plan.rungs[0] for plan in made.phases["Guarded"].actions)
    assert isinstance(limits, OutlierDetection) and limits.consecutive_5xx is None
    assert limits.where == Where("web", "shop", 80)
    assert timeout.where.callers == ("cart",)


def test_a_failover_between_localities_is_outlier_detection_with_limits_of_its_own() -> None:
    zones = "{eu-west: eu-central}, consecutive5xx: 3, maxConnections: 9"
    made = program(
        rule(f"""
  target: {{service: web}}
  phases: [{{name: Guarded, initial: true, actions: [{{failover: {{localities: {zones}}}}}]}}]
""")
    )
    (plan,) = made.phases["Guarded"].actions
    (action,) = plan.rungs
    assert plan.called == "failover"
    assert isinstance(action, OutlierDetection) and action.consecutive_5xx == 3
    assert action.localities == {"eu-west": "eu-central"} and action.max_connections == 9


def test_a_further_step_may_read_what_the_action_bends_a_way_back_may_not() -> None:
    def rule_with(away: str) -> str:
        return rule(f"""
  target: {{service: web}}
  signals: {{errors: {{builtin: errorRate}}, up: {{ready: web}}}}
  phases:
  - {{name: Normal, initial: true, transitions: [{{to: Some, when: errors > 5%}}]}}
  - name: Some
    actions: [{{failover: {{to: other, share: 50%}}}}]
    transitions: [{{to: {away}, when: errors > 5%}}, {{to: Normal, when: up > 2, after: 1m}}]
  - name: All
    actions: [{{failover: {{to: other, share: 100%}}}}]
    transitions: [{{to: Normal, when: up > 2}}, {{to: Some, when: up > 1}}]
""")

    assert program(rule_with("All")).initial == "Normal"
    with pytest.raises(InvalidInput, match="the way back to Normal reads errors"):
        program(
            rule_with("Normal").replace(
                "to: Normal, when: up > 2, after: 1m", "to: All, when: up < 1"
            )
        )


def test_a_trial_may_be_judged_by_the_backend_that_still_gets_requests() -> None:
    text = rule("""
  target: {service: web}
  signals: {errors: {builtin: errorRate}, mine: {builtin: errorRate, backend: web}}
  phases:
  - {name: Normal, initial: true, transitions: [{to: Away, when: errors > 5%}]}
  - name: Away
    actions: [{failover: {to: other, share: 99%}}]
    transitions: [{to: Normal, when: mine < 1%}]
""")
    assert program(text).initial == "Normal"
    with pytest.raises(InvalidInput, match="reads mine, which failover itself bends"):
        program(text.replace("share: 99%", "share: 100%"))


def test_other_callers_requests_are_not_bent() -> None:
    text = rule("""
  target: {service: web, from: [batch]}
  signals: {p99: {builtin: latency, from: [shop]}}
  phases:
  - {name: Normal, initial: true, transitions: [{to: Shedding, when: p99 > 1s}]}
  - {name: Shedding, actions: [{shed: {share: 50%}}], transitions: [{to: Normal, when: p99 < 1s}]}
""")
    assert program(text).initial == "Normal"
    with pytest.raises(InvalidInput, match="shed itself bends"):
        program(text.replace("from: [shop]", "from: [batch, shop]"))


def test_a_target_elsewhere_is_noted_with_what_it_needs() -> None:
    text = FAILOVER.replace("service: checkout}", "service: checkout, namespace: pay}")
    (document,) = rules_in(text, "it.yaml", [])
    found = analyse(document)
    assert found.program is not None and found.program.target.namespace == "pay"
    assert "autopilot.mesh/allow-from: shop" in str(found.notes[0])


def test_one_rule_of_a_body_without_lines_says_the_path() -> None:
    with pytest.raises(InvalidInput) as caught:
        compile_rule({"apiVersion": "autopilot.mesh/v1alpha1", "kind": "Rule", "metadata": {}})
    assert {problem.path for problem in caught.value.problems} == {"spec"}


def test_what_stands_from_the_beginning_keeps_no_signal_from_the_ways_out() -> None:
    made = program(
        rule("""
  target: {service: web}
  signals: {errors: {builtin: errorRate}, up: {ready: web}}
  phases:
  - name: Guarded
    initial: true
    actions: [{outlierDetection: {consecutive5xx: 3}}]
    transitions: [{to: Away, when: errors > 20%}]
  - name: Away
    actions: [{failover: {to: other}}]
    transitions: [{to: Guarded, when: up > 1, after: 1m}]
""")
    )
    assert made.initial == "Guarded"


def test_every_rule_of_the_documentation_is_valid() -> None:
    text = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    assert len(blocks) == 2
    for block in blocks:
        assert program(block if "kind:" in block else HEAD + block).phases


def test_a_dwell_that_is_shorter_than_what_judges_it_is_noted() -> None:
    def notes(dwell: str) -> list[str]:
        (document,) = rules_in(FAILOVER.replace("dwell: 30s", f"dwell: {dwell}"), "it.yaml", [])
        return [str(note) for note in analyse(document).notes]

    assert notes("30s") == notes("2m") == []
    assert "primary_errors looks back 30s, beyond a dwell of 10s" in notes("10s")[0]
