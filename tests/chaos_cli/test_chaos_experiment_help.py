"""Help of `autopilot experiment` is quick, and offers what is used alone."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

VERBS = ("validate", "plan", "run", "list", "abort", "rerun", "report")
HEAVY = ("pydantic", "jinja2", "yaml", "kubernetes", "aiohttp", "rich", "cel_expr_python")


@pytest.mark.parametrize("verb", VERBS)
async def test_help_imports_nothing_heavy_and_asks_for_no_metrics(
    verb: str, tmp_path: Path
) -> None:
    code = (
        "import sys\nfrom autopilot.cli.main import main\n"
        f"try: main(['experiment', {verb!r}, '--help'])\nexcept SystemExit: pass\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=tmp_path, stdout=-1, stderr=-1
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    text = out.decode()
    assert err == b""
    assert text.splitlines()[-1] == "heavy: []"
    assert "--metrics-server" not in text
    assert ("--sandbox" in text) == (verb != "validate")
