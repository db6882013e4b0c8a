"""The pytest plugin: fixtures `worker` and `flight` for the authors of operators.

Both fixtures are plain functions that return something to await, so that they work under every
mode of pytest-asyncio and anyio, and cost a project nothing that doesn't use them: what they
stand on is imported when one is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from autopilot.testing.flight import Flight
    from autopilot.testing.worker import WorkerKit


@pytest.fixture
def worker() -> WorkerKit:
    """Runs one worker function.

    `result = await worker(evaluating, resource={...}, inputs={...}, samples={...})`
    """
    from autopilot.testing.worker import WorkerKit

    return WorkerKit()


@pytest.fixture
def flight(tmp_path: Path) -> Callable[..., Flight]:
    """Runs a whole operator without a cluster.

    `async with flight(folder) as f: f.apply(body); await f.advance("30s")`
    """
    from autopilot.testing.flight import flight_in

    return flight_in(tmp_path)
