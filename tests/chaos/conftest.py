"""Experiments in flight."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from autopilot.operators.chaos.crd import experiment_crd
from autopilot.operators.chaos.definition import experiments
from autopilot.operators.chaos.report_crd import report_crd
from autopilot.testing.flight import Flight

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def fly(tmp_path: Path) -> Callable[..., Any]:
    """Makes flights of experiments."""
    crds = [experiment_crd(), report_crd()]
    return functools.partial(Flight, experiments, folder=tmp_path, crds=crds)
