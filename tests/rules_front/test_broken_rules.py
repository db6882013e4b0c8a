"""Each broken rule with its exact messages: `broken/NAME.yaml` and `broken/NAME.txt`.

To write the messages anew after a change, and read the diff:
`AUTOPILOT_GOLDEN=write pytest tests/rules_front/test_broken_rules.py`.
"""

import os
from pathlib import Path

import pytest

from autopilot.rules.check_files import Checked

BROKEN = Path(__file__).parent / "broken"
NAMES = sorted(path.stem for path in BROKEN.glob("*.yaml"))


def said(name: str) -> str:
    checked = Checked()
    checked.text((BROKEN / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")
    lines = [str(problem) for problem in checked.problems]
    return "".join(f"{line}\n" for line in [*lines, *(f"note: {note}" for note in checked.notes)])


def test_there_are_at_least_thirty_broken_rules() -> None:
    assert len(NAMES) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_rule_is_told_with_every_error_and_its_line(name: str) -> None:
    golden = BROKEN / f"{name}.txt"
    found = said(name)
    if os.environ.get("AUTOPILOT_GOLDEN") == "write":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")
    assert not found.startswith("note: "), "a broken rule has a problem"
    assert found


@pytest.mark.parametrize("name", NAMES)
def test_every_problem_has_a_line(name: str) -> None:
    checked = Checked()
    checked.text((BROKEN / f"{name}.yaml").read_text(encoding="utf-8"), name)
    lost = [problem for problem in checked.problems if not problem.line]
    assert not lost or name == "deep"
