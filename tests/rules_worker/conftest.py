"""Rules in flight."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from autopilot.rules.crd import rule_crd
from autopilot.rules.definition import rules
from autopilot.testing.flight import Flight

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def fly(tmp_path: Path) -> Callable[..., Any]:
    """Makes flights of rules."""
    return functools.partial(Flight, rules, folder=tmp_path, crds=[rule_crd()])
