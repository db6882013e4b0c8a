"""All checks of a rule that is written out: what its parts mean to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.rules.check_bends import check_bends
from autopilot.rules.check_graph import check_graph
from autopilot.rules.check_use import (
    check_conflicts,
    check_ladders,
    check_limits,
    check_provider,
    check_signals,
)

if TYPE_CHECKING:
    from autopilot.rules.compile_findings import Findings
    from autopilot.rules.model import RuleSpec
    from autopilot.rules.program import Program


def check_program(spec: RuleSpec, program: Program, findings: Findings) -> None:
    """Check a rule.

    Args:
        spec: In its long form.
        program: What was made of it, as far as it could be.
        findings: What is wrong goes there.
    """
    check_graph(spec, program, findings)
    check_bends(spec, program, findings)
    check_ladders(spec, program, findings)
    check_limits(spec, program, findings)
    check_signals(spec, program, findings)
    check_conflicts(program, findings)
    check_provider(program, findings)
