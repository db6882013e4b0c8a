"""The canary operator, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from autopilot.project.init import Wish, init

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("canary") / "canary"
    init(Wish(root, kind="Canary", group="demo.autopilot.mesh", template="canary"))
    return root
