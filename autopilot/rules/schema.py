"""JSON Schemas of rules and of their tests, for editors."""

from __future__ import annotations

from typing import Any

from autopilot.rules.model import RuleDocument
from autopilot.rules.testfile import RuleTestFile
from autopilot.spec.editor import DIALECT, editor_schema

__all__ = ["DIALECT", "editor_schema", "rule_schema", "rule_test_schema"]


def rule_schema() -> dict[str, Any]:
    """The JSON Schema of a whole Rule."""
    return editor_schema(RuleDocument, "Rule")


def rule_test_schema() -> dict[str, Any]:
    """The JSON Schema of a file of tests."""
    return editor_schema(RuleTestFile, "Tests of rules")
