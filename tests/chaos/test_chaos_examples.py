"""The worked examples and the documentation: every experiment in them is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from autopilot.operators.chaos.check_files import checked
from autopilot.operators.chaos.schema import experiment_schema

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "chaos"
FILES = sorted(EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_is_valid_and_has_its_line_in_the_readme(path: Path) -> None:
    found = checked([path], "")
    assert (found.problems, found.notes) == ((), ())
    assert len(found.experiments) == 1
    assert f"[{path.name}]({path.name})" in (EXAMPLES / "README.md").read_text()


def test_examples_have_names_of_their_own() -> None:
    assert checked([EXAMPLES], "").problems == ()


def test_the_experiment_of_the_documentation_is_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/chaos.md").read_text(), re.DOTALL)
    whole = [block for block in blocks if "kind: Experiment" in block]
    assert whole
    for block in whole:
        assert checked([], "", block).problems == ()


def test_the_documentation_names_every_field_and_phase() -> None:
    from autopilot.operators.chaos import machine
    from autopilot.operators.chaos.model import ExperimentSpec

    text = (ROOT / "docs/chaos.md").read_text()
    for name, info in ExperimentSpec.model_fields.items():
        assert f"`{info.alias or name}" in text, name
    for phase in machine.WAYS:
        assert f"| {phase} |" in text, phase


def test_an_editors_schema_knows_every_field_of_the_examples_and_no_other() -> None:
    schema = experiment_schema()
    spec = schema["$defs"]["ExperimentSpec"]
    assert spec["additionalProperties"] is False
    for path in FILES:
        assert {*yaml.safe_load(path.read_text())["spec"]} <= {*spec["properties"]}
