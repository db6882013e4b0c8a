"""All that `init` and `generate` write, against files that were read by people.

After a change that is wanted: `AUTOPILOT_UPDATE_GOLDEN=1 pytest tests/scaffold`, then read the
diff.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autopilot.project.templates import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"
SUFFIX = ".golden"


def compared(template: str, name: str) -> bool:
    """All of the blank project; of the others what isn't simply the template's own text."""
    ours = "/generated/" in name or (name.startswith("deploy/") and name != "deploy/example.yaml")
    return ours or template == "blank"


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_is_written_is_what_was_agreed(
    template: str, scaffolded: Callable[[str], Path]
) -> None:
    root, golden = scaffolded(template), GOLDEN / template
    written = {
        name: path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and compared(template, name := str(path.relative_to(root)))
    }
    if os.environ.get("AUTOPILOT_UPDATE_GOLDEN"):
        shutil.rmtree(golden, ignore_errors=True)
        for name, text in written.items():
            place = golden / f"{name}{SUFFIX}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    agreed = {
        str(path.relative_to(golden)).removesuffix(SUFFIX): path.read_text()
        for path in golden.rglob(f"*{SUFFIX}")
    }
    assert sorted(written) == sorted(agreed)
    for name, text in written.items():
        assert text == agreed[name], name
