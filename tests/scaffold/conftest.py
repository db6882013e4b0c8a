"""Scaffolded projects, made once for each worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from autopilot.project.init import Wish, init

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KINDS = {"blank": "Note", "canary": "Canary", "autoroute": "AutoRoute", "chaos": "Drill"}


@pytest.fixture(scope="session")
def scaffolded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The project of a template, not to be changed."""
    made: dict[str, Path] = {}

    def of(template: str) -> Path:
        if template not in made:
            root = tmp_path_factory.mktemp(template) / template
            init(Wish(root, kind=KINDS[template], template=template))
            made[template] = root
        return made[template]

    return of
