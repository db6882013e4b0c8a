"""version, completion, help: quick and plain."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml
from console import autopilot

import autopilot as package

if TYPE_CHECKING:
    from pathlib import Path

MINE = ("init", "generate", "validate", "graph", "version", "completion")
HEAVY = ("pydantic", "jinja2", "yaml", "kopf", "kubernetes", "aiohttp", "transitions", "rich")


def test_version_says_what_is_installed(tmp_path: Path) -> None:
    done = autopilot("version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].split() == ["autopilot", package.__version__]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_version_answers_scripts(tmp_path: Path, form: str) -> None:
    text = autopilot("version", "-o", form, cwd=tmp_path).stdout
    found = json.loads(text) if form == "json" else yaml.safe_load(text)
    assert found["autopilot"] == package.__version__
    assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert {"kopf", "kubernetes"} <= set(found)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_serves_the_command_and_its_alias(tmp_path: Path, shell: str) -> None:
    done = autopilot("completion", shell, cwd=tmp_path)
    assert done.returncode == 0
    assert f"_AUTOPILOT_COMPLETE={shell}_complete" in done.stdout
    assert "_autopilot_completion" in done.stdout.splitlines()[-1]
    assert " ap" in done.stdout.splitlines()[-1]


def test_a_completion_script_is_valid_in_its_shell(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    script = autopilot("completion", "bash", cwd=tmp_path).stdout
    done = subprocess.run([bash, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_verbs_are_completed(tmp_path: Path) -> None:
    done = autopilot(
        cwd=tmp_path,
        _AUTOPILOT_COMPLETE="bash_complete",
        COMP_WORDS="autopilot gen",
        COMP_CWORD="1",
    )
    assert done.stdout == "plain,generate\n"


def test_an_unknown_shell_exits_with_2(tmp_path: Path) -> None:
    done = autopilot("completion", "tcsh", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "tcsh" in done.stderr


@pytest.mark.parametrize("verb", MINE)
def test_help_costs_less_than_a_third_of_a_second(tmp_path: Path, verb: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = autopilot(verb, "--help", cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: autopilot {verb} ")
    # Processor time, not the clock's: other tests run beside this one.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize("verb", ["", *MINE])
def test_help_imports_nothing_heavy(verb: str) -> None:
    code = (
        "import sys; sys.argv = ['autopilot', *sys.argv[1:], '--help']\n"
        "from autopilot.cli.main import cli\n"
        "try:\n    cli()\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set(sys.modules) & {set(HEAVY)!r}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *([verb] if verb else [])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip().endswith("[]")
