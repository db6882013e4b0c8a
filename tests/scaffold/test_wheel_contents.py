"""The wheel carries the templates, and `init` works from it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from autopilot.project.templates import scaffolding

ROOT = Path(__file__).parents[2]


def test_init_works_from_a_wheel_alone(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    inside = unpacked / "autopilot" / "_scaffolding"
    templates = {str(p.relative_to(scaffolding())) for p in scaffolding().rglob("*.j2")}
    assert {str(p.relative_to(inside)) for p in inside.rglob("*.j2")} == templates
    code = (
        "import sys, autopilot; from autopilot.cli.main import main\n"
        "assert autopilot.__file__.startswith(sys.argv[1]), autopilot.__file__\n"
        "main(sys.argv[2:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(unpacked), "init", "made", "--kind", "Made"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(unpacked), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "deploy" / "crd.yaml").exists()
