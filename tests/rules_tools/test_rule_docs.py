"""The rules and tests that the documentation shows do what it says when they are copied."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools_kit import autopilot

ROOT = Path(__file__).parents[2]
HEAD = "apiVersion: autopilot.mesh/v1alpha1\nkind: Rule\nmetadata: {name: doc, namespace: shop}\n"


def blocks(path: str) -> list[str]:
    """The YAML in a page."""
    return re.findall(r"^```yaml\n(.*?)^```", (ROOT / path).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/rules.md"])
async def test_the_rules_that_a_page_shows_are_valid(tmp_path: Path, page: str) -> None:
    shown = [one for one in blocks(page) if "failover:\n" in one or one.startswith("spec:")]
    assert shown
    for number, text in enumerate(shown):
        whole = text if text.startswith("apiVersion") else HEAD + text
        (tmp_path / f"{number}.yaml").write_text(whole)
    done = await autopilot("rule", "validate", ".", cwd=tmp_path)
    assert done.code == 0, done.err


async def test_the_tests_that_the_page_on_tests_shows_pass(tmp_path: Path) -> None:
    (tmp_path / "failover.yaml").write_text((ROOT / "examples/rules/failover.yaml").read_text())
    (tmp_path / "doc_test.yaml").write_text(blocks("docs/rule-tests.md")[0])
    done = await autopilot("rule", "test", "doc_test.yaml", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert done.out.endswith("2 tests: ok\n")
