"""Getting Prometheus without touching the system."""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.sandbox.telemetry import fetch

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Prometheus: an empty PATH and an empty cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv(fetch.OVERRIDE, raising=False)
    return tmp_path


def program(folder: Path, name: str, text: str) -> Path:
    file = folder / "bin" / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def fake_apt(folder: Path) -> None:
    """apt-get and dpkg-deb as far as the fetch sees them; each call leaves a line in `calls`."""
    calls = folder / "calls"
    program(
        folder,
        "apt-get",
        f'echo "$@" >> {calls}\nfor a; do last=$a; done\n'
        "[ $last = prometheus ] && : > prometheus_1_all.deb\nexit 0",
    )
    program(
        folder,
        "dpkg-deb",
        'd="$3/usr/bin"\n/bin/mkdir -p "$d"\necho "#!/bin/sh" > "$d/prometheus"\n'
        '/bin/chmod +x "$d/prometheus"',
    )


def test_the_variable_names_the_binary(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = program(nowhere, "mine", "exit 0")
    monkeypatch.setenv(fetch.OVERRIDE, str(mine))
    assert fetch.ensure_prometheus(nowhere / "cache") == mine


def test_a_variable_that_names_nothing_is_said_at_once(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fetch.OVERRIDE, "/nowhere/prometheus")
    with pytest.raises(TerminalError, match=r"AUTOPILOT_PROMETHEUS names /nowhere/prometheus"):
        fetch.ensure_prometheus(nowhere / "cache")


def test_one_on_the_path_is_taken(nowhere: Path) -> None:
    installed = program(nowhere, "prometheus", "exit 0")
    assert fetch.ensure_prometheus(nowhere / "cache") == installed


def test_without_apt_one_line_says_what_to_install(nowhere: Path) -> None:
    with pytest.raises(TerminalError) as caught:
        fetch.ensure_prometheus(nowhere / "cache")
    assert "install prometheus" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_it_is_fetched_once_with_lists_and_cache_of_its_own(nowhere: Path) -> None:
    fake_apt(nowhere)
    cache = nowhere / "a cache"
    first = fetch.ensure_prometheus(cache)
    assert first == cache / "root/usr/bin/prometheus"
    assert fetch.ensure_prometheus(cache) == first
    update, download = (nowhere / "calls").read_text().splitlines()
    assert update.endswith("update")
    assert download.endswith("download prometheus")
    for call in (update, download):
        assert "Dir::State::Lists=./lists" in call
        assert "Dir::Cache=./cache" in call
    assert sorted(path.name for path in cache.iterdir()) == ["lock", "root"]


def test_a_failed_fetch_says_apts_reason_and_leaves_nothing(nowhere: Path) -> None:
    fake_apt(nowhere)
    program(nowhere, "apt-get", "echo 'E: Temporary failure resolving' >&2\nexit 100")
    with pytest.raises(RetryLater, match="Temporary failure resolving"):
        fetch.ensure_prometheus(nowhere / "cache")
    assert [path.name for path in (nowhere / "cache").iterdir()] == ["lock"]


def test_a_home_that_can_not_be_written_leaves_a_private_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = fetch.users_cache()
    assert place.parent == tmp_path / f"autopilot-{os.getuid()}"
    assert [path.stat().st_mode & 0o777 for path in (place.parent, place)] == [0o700, 0o700]


def test_with_no_folder_at_all_one_line_names_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"autopilot-{os.getuid()}").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TerminalError, match=r"set XDG_CACHE_HOME, .* AUTOPILOT_PROMETHEUS") as told:
        fetch.users_cache()
    assert "\n" not in str(told.value)


def test_two_at_once_fetch_once(nowhere: Path) -> None:
    fake_apt(nowhere)
    code = (
        "from pathlib import Path\n"
        "from autopilot.sandbox.telemetry.fetch import ensure_prometheus\n"
        f"ensure_prometheus(Path({str(nowhere / 'cache')!r}))\n"
    )
    import sys

    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(timeout=30) for process in running] == [0, 0, 0]
    assert len((nowhere / "calls").read_text().splitlines()) == 2


def test_what_was_fetched_is_a_prometheus(prometheus_binary: Path) -> None:
    said = subprocess.run(
        [prometheus_binary, "--version"], capture_output=True, text=True, timeout=10, check=True
    )
    assert "prometheus, version" in said.stdout + said.stderr
