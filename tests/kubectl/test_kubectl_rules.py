"""The CRD that `autopilot crds` prints, as kubectl and an API server take it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubectl_kit import Kubectl, needs_kubectl

from autopilot.rules.crd import rule_crd

pytestmark = needs_kubectl
EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "rules").glob("*.yaml"))
RULES = [path for path in EXAMPLES if not path.stem.endswith("_test")]


@pytest.fixture
async def rules(kubectl: Kubectl) -> Kubectl:
    await kubectl.apply(rule_crd())
    await kubectl("wait", "--for=condition=Established", "crd/rules.autopilot.mesh", "--timeout=9s")
    return kubectl


def shed(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "autopilot.mesh/v1alpha1",
        "kind": "Rule",
        "metadata": {"name": "shed"},
        "spec": {
            "target": {"service": "web"},
            "signals": {"p99": {"builtin": "latency"}},
            "phases": [
                {"name": "Normal", "initial": True, "transitions": [{"to": "Off", "when": "p99"}]},
                {"name": "Off", "actions": [{"shed": {"share": ["10%", 50], "dwell": "1m"}}]},
            ],
            **spec,
        },
    }


async def test_every_example_is_accepted_and_kept_as_its_author_wrote_it(rules: Kubectl) -> None:
    assert RULES
    for path in RULES:
        (body,) = (one for one in yaml.safe_load_all(path.read_text()) if one["kind"] == "Rule")
        body["metadata"]["namespace"] = "default"
        await rules.apply(body, more=("--dry-run=server",))
        await rules.apply(body)
        kept = (await rules.read("rule", body["metadata"]["name"]))["spec"]
        assert kept == {"mode": "enforce", **body["spec"]}


async def test_a_table_of_rules_shows_mode_phase_and_reason(rules: Kubectl) -> None:
    await rules.apply(shed(mode="observe"))
    answer = await rules("get", "rules")
    assert answer.lines[0].split() == ["NAME", "MODE", "PHASE", "WOULD", "BE", "REASON", "AGE"]
    assert answer.rows()[0][:2] == ["shed", "observe"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"mode": "dry"}, "mode"),
        ({"interval": "5"}, "interval"),
        ({"failovr": {}}, "failovr"),
        ({"target": {}}, "service"),
        ({"signals": {"x": {"builtin": "mood"}}}, "builtin"),
        ({"guardrails": {"maxTransitions": {"count": 40, "per": "1h"}}}, "count"),
    ],
)
async def test_a_wrong_shape_is_refused_by_the_server_already(
    rules: Kubectl, spec: dict[str, Any], said: str
) -> None:
    answer = await rules.run(
        "apply", "-f", "-", "--dry-run=server", stdin=yaml.safe_dump(shed(**spec))
    )
    assert answer.code != 0
    assert said in answer.err


async def test_shares_are_written_as_texts_numbers_or_ladders(rules: Kubectl) -> None:
    await rules.apply(shed())
    kept = (await rules.read("rule", "shed"))["spec"]
    assert kept["phases"][1]["actions"] == [{"shed": {"share": ["10%", 50], "dwell": "1m"}}]
