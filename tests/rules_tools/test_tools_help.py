"""Help is quick: nothing heavy is imported for it, and it says what is written (nothing)."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from tools_kit import autopilot

if TYPE_CHECKING:
    from pathlib import Path

VERBS = (("inspect", "service"), ("explain",), ("rule", "plan"))
HEAVY = ("pydantic", "jinja2", "yaml", "kubernetes", "aiohttp", "rich", "cel_expr_python")


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
async def test_help_says_that_nothing_is_written(verb: tuple[str, ...], tmp_path: Path) -> None:
    done = await autopilot(*verb, "--help", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "Nothing is written." in " ".join(done.out.split())
    assert "--metrics-server" in done.out


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
async def test_help_imports_nothing_heavy(verb: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom autopilot.cli.main import main\n"
        f"try: main({[*verb, '--help']!r})\nexcept SystemExit: pass\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=tmp_path, stdout=-1, stderr=-1
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert err == b""
    assert out.decode().splitlines()[-1] == "heavy: []"
