"""Small projects on disk, made in a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from small_projects import AUTOPILOT_YAML, SPEC, WORKER

from autopilot.project.importing import forget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from small_projects import MakeProject


@pytest.fixture
def make_project(tmp_path: Path) -> Iterator[MakeProject]:
    """Projects in a folder of the test's own; what they imported is forgotten afterwards."""
    path_before = list(sys.path)

    def make(files: dict[str, str | None] | None = None) -> Path:
        root = tmp_path / "project"
        usual: dict[str, str | None] = {
            "autopilot.yaml": AUTOPILOT_YAML,
            "thing_operator/__init__.py": "",
            "thing_operator/spec.py": SPEC,
            "thing_operator/workers/__init__.py": "",
            "thing_operator/workers/making.py": WORKER,
        }
        for name, text in {**usual, **(files or {})}.items():
            if text is None:
                continue
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return root

    yield make
    forget("thing_operator")
    sys.path[:] = path_before
