from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from autopilot.sandbox.telemetry.fetch import ensure_prometheus

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def prometheus_binary() -> Path:
    return ensure_prometheus()
