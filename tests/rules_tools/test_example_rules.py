"""The worked examples: valid without a remark, and their tests pass, by the commands themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tools_kit import autopilot, rule

from autopilot.rules.compile import compile_rule
from autopilot.rules.program import Ready

EXAMPLES = Path(__file__).parents[2] / "examples" / "rules"
RULES = sorted(path for path in EXAMPLES.glob("*.yaml") if not path.stem.endswith("_test"))


async def test_every_example_is_valid_without_a_note(tmp_path: Path) -> None:
    done = await autopilot("rule", "validate", str(EXAMPLES), "-o", "json", cwd=tmp_path)
    found = json.loads(done.out)
    assert (done.code, found["problems"], found["notes"]) == (0, [], [])
    assert len(found["rules"]) == len(RULES)


async def test_the_tests_of_every_example_pass(tmp_path: Path) -> None:
    done = await autopilot("rule", "test", str(EXAMPLES), "-o", "json", cwd=tmp_path)
    found = json.loads(done.out)
    failed = [f"{one['file']}:{one['line']}" for one in found["tests"] if not one["passed"]]
    assert (done.code, failed, found["problems"]) == (0, [], [])


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_example_has_its_tests_and_its_line_in_the_readme(path: Path) -> None:
    tests = yaml.safe_load(path.with_name(f"{path.stem}_test.yaml").read_text())
    assert tests["rules"] == path.name
    assert tests["tests"]
    assert f"[{path.name}]({path.name})" in (EXAMPLES / "README.md").read_text()


def test_every_phase_of_every_example_is_entered_by_some_test() -> None:
    from autopilot.rules.testfile_read import suite_of
    from autopilot.rules.testfile_run import run

    suite = suite_of([EXAMPLES])
    assert not suite.problems
    entered: dict[str, set[str]] = {}
    phases: dict[str, set[str]] = {}
    for case in suite.cases:
        phases[case.program.name] = {*case.program.phases}
        steps = run(case).flight.steps
        entered.setdefault(case.program.name, set()).update(step.phase for step in steps)
    # The observing one's way back is tested with the failover that it would be.
    phases["cart-failover-dry"] -= {"Trial"}
    assert entered == phases


def test_what_a_service_itself_answered_leaves_out_what_its_callers_proxies_aborted() -> None:
    spec = {
        "target": {"service": "reco"},
        "signals": {
            "errors": {"builtin": "errorRate"},
            "own": {"builtin": "errorRate", "backend": "reco"},
            "p99": {"builtin": "latency", "backend": "reco"},
        },
        "phases": [
            {
                "name": "A",
                "initial": True,
                "transitions": [{"to": "B", "when": "errors > 5% || own > 5% || p99 > 1s"}],
            },
            {"name": "B", "actions": [{"timeout": {"duration": "1s"}}]},
        ],
    }
    signals = compile_rule(rule("own", spec)).signals
    asked = {
        name: one.source.promql
        for name, one in signals.items()
        if not isinstance(one.source, Ready)
    }
    assert "response_flags!~" not in asked["errors"]
    assert 'response_flags!~"(.*,)?(FI|UO)(,.*)?"' in asked["own"]
    assert 'response_flags!~"(.*,)?(FI|UO|DI)(,.*)?"' in asked["p99"]
