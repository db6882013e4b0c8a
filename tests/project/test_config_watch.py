"""autopilot-operator.yaml is reloaded; a broken edit is reported once and changes nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from autopilot.base.clock import VirtualClock
from autopilot.base.logs import fields_of
from autopilot.project.watch import ConfigWatch
from autopilot.spec.model import Config

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from autopilot.spec.operator_config import OperatorConfig


class Limits(Config):
    """An author's model."""

    limit: int = 1


class Watched:
    """A watch on a file, looked at by hand."""

    def __init__(self, path: Path, text: str | None = "logLevel: Info\n") -> None:
        self.path = path
        if text is not None:
            path.write_text(text)
        self.changes: list[OperatorConfig] = []
        self.watch = ConfigWatch(
            path, self.changes.append, VirtualClock(), models=[Limits], environ={}
        )

    async def edit(self, text: str) -> list[OperatorConfig]:
        """Write, look twice, and say what was told meanwhile."""
        self.path.write_text(text)
        return await self.settle()

    async def settle(self) -> list[OperatorConfig]:
        """Look twice."""
        before = len(self.changes)
        await self.watch.look()
        await self.watch.look()
        return self.changes[before:]


async def test_an_edit_is_told_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.yaml")
    (change,) = await watched.edit("logLevel: Debug\n")
    assert change.log_level == "Debug"
    assert await watched.settle() == []


async def test_an_edit_of_the_same_length_in_the_same_second_is_seen(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.yaml", "workInterval: 5s\n")
    (change,) = await watched.edit("workInterval: 6s\n")
    assert change.work_interval.total_seconds() == 6


async def test_an_edit_that_changes_only_comments_is_not_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.yaml")
    assert await watched.edit("# why\nlogLevel: Info\n") == []


async def test_a_broken_edit_is_reported_once_and_the_running_configuration_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(tmp_path / "c.yaml")
    with caplog.at_level(logging.INFO):
        assert await watched.edit("logLevel: Loud\nversoin: 1.0.0\n") == []
        assert await watched.settle() == []
    reported = [fields_of(record)["problem"] for record in caplog.records]
    assert [text.partition("c.yaml:")[2] for text in reported] == [
        "1: logLevel: 'Loud' is no log level; one of Debug, Info, Warn, Error, DPanic, Panic, "
        "Fatal, or 0 to 6",
        "2: versoin: unknown key; did you mean 'version'?",
    ]
    assert watched.watch.running is not None
    assert watched.watch.running.log_level == "Info"
    assert len(watched.watch.problems) == 2


async def test_after_a_broken_edit_a_good_one_is_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.yaml")
    await watched.edit("- no map\n")
    (change,) = await watched.edit("logLevel: Error\n")
    assert change.log_level == "Error"
    assert watched.watch.problems == ()


async def test_a_config_map_that_doesnt_fit_the_authors_model_is_refused(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.yaml")
    assert await watched.edit("config: {limit: many}\n") == []
    assert "config.limit" in str(watched.watch.problems[0])
    assert len(await watched.edit("config: {limit: 4}\n")) == 1


async def test_a_file_that_is_only_half_written_is_not_taken(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.yaml", "logLevel: Debug\nversion: 1.0.0\n")
    watched.path.write_text("")
    await watched.watch.look()
    watched.path.write_text("logLevel: Debug\nversion: 1.0.1\n")
    (change,) = await watched.settle()
    assert (change.log_level, change.version) == ("Debug", "1.0.1")
    assert watched.changes == [change]


async def test_a_file_that_goes_is_reported_and_may_come_back(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.yaml", "logLevel: Debug\n")
    watched.path.unlink()
    assert await watched.settle() == []
    assert "is gone; put it back to change anything" in str(watched.watch.problems[0])
    assert len(await watched.edit("logLevel: Warn\n")) == 1


async def test_a_file_that_comes_later_is_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.yaml", None)
    (change,) = await watched.edit("logLevel: Warn\n")
    assert change.log_level == "Warn"


async def test_the_symlink_swap_of_a_mounted_config_map_is_seen(tmp_path: Path) -> None:
    for name, level in (("..v1", "Info"), ("..v2", "Debug")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.yaml").write_text(f"logLevel: {level}\n")
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "c.yaml").symlink_to("..data/c.yaml")
    watched = Watched(tmp_path / "c.yaml", None)
    (tmp_path / "..data_tmp").symlink_to("..v2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    (change,) = await watched.settle()
    assert change.log_level == "Debug"


async def test_the_watch_looks_by_its_clock_and_awaits_an_async_listener(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("logLevel: Info\n")
    clock, told = VirtualClock(), asyncio.Event()

    async def listener(config: OperatorConfig) -> None:
        await asyncio.sleep(0)
        told.set()

    watch = ConfigWatch(path, listener, clock, interval=2, environ={})
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    path.write_text("logLevel: Debug\n")
    await clock.advance(3)
    assert not told.is_set()
    await clock.advance(1)
    async with asyncio.timeout(5):
        await told.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
