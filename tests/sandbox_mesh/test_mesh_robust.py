"""The mesh under trouble: rolling pods, a bad API, a killed parent, a full machine."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from conftest_mesh import pod, service, serving, to, virtual_service

from autopilot.base.clock import SystemClock
from autopilot.base.errors import TerminalError
from autopilot.kube.kinds import KNOWN
from autopilot.sandbox.mesh import envoy as envoy_module
from autopilot.sandbox.mesh.admin import Admin
from autopilot.sandbox.mesh.envoy import LOG, EnvoyProcess
from autopilot.sandbox.mesh.translate import Snapshot
from autopilot.sandbox.mesh.xds import Acked, Publisher, Rejected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from conftest_mesh import Box

    from autopilot.sandbox.apiserver.server import ApiServer

pytestmark = pytest.mark.envoy


async def test_no_request_fails_while_every_pod_is_replaced(box: Box) -> None:
    failed: list[tuple[int, str]] = []
    answered: set[str] = set()
    running = True

    async def load() -> None:
        while running:
            status, text = await box.get("shop")
            answered.add(text)
            if status != 200:
                failed.append((status, text))

    names = [f"p{number}" for number in range(10)]
    async with serving(*names) as pods, asyncio.TaskGroup() as group:
        await box.put(service("shop"), pod("shop-v0", pods[0].port, app="shop", suffix="0"))
        await box.up()
        tasks = [group.create_task(load()) for _ in range(4)]
        for number in range(1, len(pods)):
            # Each pod is of a new workload: clusters' endpoints are swapped completely.
            new = pod(f"shop-v{number}", pods[number].port, app="shop", suffix=str(number))
            await box.put(new)
            await box.client.delete(
                KNOWN["pods"], f"shop-v{number - 1}-abc12-{number - 1}", "default"
            )
            await box.until_answers("shop", names[number])
        running = False
        await asyncio.gather(*tasks)
    assert not failed
    assert answered == set(names)


async def test_watches_that_are_cut_and_histories_that_are_lost_are_survived(
    box: Box, api: ApiServer
) -> None:
    async with serving("a", "b") as (a, b):
        for name, port in (("a", a.port), ("b", b.port)):
            await box.put(service(name), pod(name, port))
        await box.put(service("shop", {"app": "a"}), virtual_service("shop", {"route": [to("a")]}))
        await box.up()
        assert api.faults.expire_watches() >= 4
        await box.put(virtual_service("shop", {"route": [to("b")]}))
        await box.until_answers("shop", "b")
        api.faults.drop_history()
        api.faults.cut_watches()
        await box.delete("virtualservices", "shop")
        await box.until_answers("shop", "a", seconds=20)


async def test_a_parent_that_is_killed_takes_envoy_along(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from autopilot.sandbox.mesh.envoy import EnvoyProcess\n"
        "async def main():\n"
        "    envoy = EnvoyProcess(Path(sys.argv[1]))\n"
        "    await envoy.start()\n"
        "    print(envoy.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", code, str(tmp_path / "envoy")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert _serves(pid)
        os.kill(parent.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        while _serves(pid):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _serves(pid: int) -> bool:
    """Whether a process is there and no zombie, which nobody may be there to reap."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_two_envoys_at_once_do_not_know_of_each_other(tmp_path: Path) -> None:
    one, two = EnvoyProcess(tmp_path / "one"), EnvoyProcess(tmp_path / "two")
    try:
        await asyncio.gather(one.start(), two.start())
        assert one.admin_url != two.admin_url
        await one.stop()
        async with Admin(two.admin_url) as admin:
            assert await admin.live()
    finally:
        await asyncio.gather(one.stop(), two.stop())


async def test_a_machine_without_inotify_instances_is_told_before_envoy_aborts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envoy_module, "inotify_free", lambda: 3)
    with pytest.raises(TerminalError, match="only 3 inotify instances are left") as caught:
        await EnvoyProcess(tmp_path / "envoy").start()
    assert "sysctl fs.inotify.max_user_instances" in str(caught.value)


async def test_an_envoy_that_cannot_start_says_why(tmp_path: Path) -> None:
    directory = tmp_path / "envoy"
    envoy = EnvoyProcess(directory)
    # A folder where the address file should be.
    directory.mkdir()
    (directory / "envoy.log").mkdir()
    with pytest.raises((TerminalError, OSError)):
        await envoy.start()
    assert not envoy.running


@pytest.fixture
async def publisher(envoy: EnvoyProcess) -> AsyncIterator[Publisher]:
    async with Admin(envoy.admin_url) as admin:
        yield Publisher(envoy.directory, admin, envoy.directory / LOG, SystemClock())


async def test_a_refused_cluster_leaves_the_others_and_the_file_as_they_were(
    envoy: EnvoyProcess, publisher: Publisher
) -> None:
    good = {"name": "good", "type": "STATIC", "load_assignment": {"cluster_name": "good"}}
    assert await publisher.publish(Snapshot({"good": good})) == Acked(("cds",))
    assert await publisher.publish(Snapshot({"good": good})) == Acked(())
    file = envoy.directory / "cds" / "cds.json"
    bad = {"name": "bad", "type": "EDS"}
    result = await publisher.publish(Snapshot({"good": good, "bad": bad}))
    assert isinstance(result, Rejected)
    assert result.subscription == "cds"
    assert "bad" in result.reason
    assert '"bad"' not in file.read_text()
    result = await publisher.publish(Snapshot({"good": good | {"connect_timeout": "0s"}}))
    assert isinstance(result, Rejected)
    assert "value must be greater than 0s" in result.reason
    assert await publisher.publish(Snapshot({"good": good})) == Acked(())
    assert await publisher.publish(Snapshot()) == Acked(("cds",))


async def test_an_envoy_that_does_not_answer_is_no_rejection(
    envoy: EnvoyProcess, publisher: Publisher
) -> None:
    from autopilot.base.errors import RetryLater

    good = {"name": "good", "type": "STATIC", "load_assignment": {"cluster_name": "good"}}
    assert isinstance(await publisher.publish(Snapshot({"good": good})), Acked)
    await envoy.stop()
    with pytest.raises(RetryLater):
        await publisher.publish(Snapshot({"good": good | {"connect_timeout": "1s"}}))
    await envoy.start()
    began = time.monotonic()
    result = await publisher.publish(Snapshot({"good": good | {"connect_timeout": "1s"}}))
    assert result == Acked(("cds",))
    assert time.monotonic() - began < 5
