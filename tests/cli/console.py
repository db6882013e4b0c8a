"""Runs the installed command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).with_name("autopilot")


def autopilot(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `autopilot`; HOME is an empty place, so nothing of the user's own is read."""
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(cwd), "COLUMNS": "100", **environ}
    return subprocess.run(
        [str(COMMAND), *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
