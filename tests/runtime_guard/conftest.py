"""Rules in flight, under guardrails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autopilot.rules.crd import rule_crd
from autopilot.rules.definition import rules
from autopilot.spec.guardrails import Guardrails
from autopilot.testing.flight import Flight

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def fly(tmp_path: Path) -> Callable[..., Any]:
    """Makes flights of rules; guardrails as a person writes them."""

    def made(**guardrails: Any) -> Flight:
        limits = Guardrails.model_validate(guardrails)
        return Flight(rules, folder=tmp_path, crds=[rule_crd()], guardrails=limits)

    return made
