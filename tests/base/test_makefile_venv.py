"""make sees that a virtual environment was moved, or that its Python is another one by now."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WITHOUT_PIP = """\
#!/bin/sh
case "$1 $2" in
"-m venv") exec {python} "$@" --without-pip ;;
*) exec {python} "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As far as the virtual environment goes; in place of pip a module that counts its calls."""
    place = tmp_path / "checkout"
    place.mkdir()
    shutil.copy(ROOT / "Makefile", place)
    for name in ("pyproject.toml", "constraints.txt"):
        (place / name).write_text("")
    (place / "pip.py").write_text("open('calls', 'a').write('.')\n")
    python = tmp_path / "python"
    python.write_text(WITHOUT_PIP.format(python=sys.executable))
    python.chmod(0o755)
    return place


def make(place: Path) -> tuple[str, int]:
    """What make says, and how often the packages have been installed."""
    # As from a shell: these tests may themselves be run by make, which tells its children.
    environment = {
        key: value for key, value in os.environ.items() if "MAKE" not in key and key != "MFLAGS"
    }
    done = subprocess.run(
        ["make", f"PYTHON={place.parent / 'python'}", ".venv/.installed"],
        cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, len((place / "calls").read_text())


def test_a_virtual_environment_is_made_once(checkout: Path) -> None:
    assert make(checkout) == ("installing the Python packages into .venv\n", 1)
    told, calls = make(checkout)
    assert calls == 1
    assert "up to date" in told


def test_after_a_move_it_is_made_anew(checkout: Path) -> None:
    make(checkout)
    (checkout / ".venv/old").write_text("points to the old place")
    moved = checkout.rename(checkout.with_name("moved"))
    told, calls = make(moved)
    assert "making it anew" in told
    assert calls == 2
    assert not (moved / ".venv/old").exists()
    assert make(moved)[1] == 2


@pytest.mark.parametrize("there", [True, False])
def test_after_pythons_upgrade_it_is_made_anew(checkout: Path, there: bool) -> None:
    make(checkout)
    own = checkout / ".venv/bin/python"
    own.unlink()
    if there:
        own.write_text(f"#!/bin/sh\necho {checkout}/.venv 3 99\n")
        own.chmod(0o755)
    told, calls = make(checkout)
    assert "making it anew" in told
    assert calls == 2
    assert own.is_symlink()


def test_with_new_requirements_it_is_kept_and_installed_into(checkout: Path) -> None:
    make(checkout)
    (checkout / ".venv/mine").write_text("stays")
    stamp = (checkout / ".venv/.installed").stat().st_mtime
    os.utime(checkout / "pyproject.toml", (stamp + 5, stamp + 5))
    told, calls = make(checkout)
    assert "anew" not in told
    assert calls == 2
    assert (checkout / ".venv/mine").exists()
