import asyncio
import logging
import threading
import time
from typing import Any

import pytest
from runtime_kit import PLURAL, RAMP, Box, define, phase, ramp, until

from autopilot.runtime.kopf_shell import KopfShell, hush
from autopilot.runtime.result import Result
from autopilot.sandbox.apiserver.faults import Fault


async def test_kopf_hands_over_the_keys_of_resources_and_ends_in_half_a_second(box: Box) -> None:
    woken: list[tuple[str, ...]] = []
    shell = KopfShell([RAMP], box.client, lambda *key: woken.append(key[:3]))
    stop = asyncio.Event()
    running = asyncio.create_task(shell.run(stop))
    box.create(ramp("early"))
    await until(lambda: (PLURAL, "default", "early") in woken)
    box.create(ramp("late"))
    await until(lambda: (PLURAL, "default", "late") in woken)
    assert box.get("late")["metadata"].keys() <= box.get("early")["metadata"].keys()
    assert "annotations" not in box.get("early")["metadata"]
    assert "finalizers" not in box.get("early")["metadata"]
    began = time.monotonic()
    stop.set()
    await running
    assert time.monotonic() - began < 10
    await until(lambda: not [t for t in threading.enumerate() if t.name == "kopf"])


async def test_kopf_says_nothing_at_info(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    woken: list[Any] = []
    shell = KopfShell([RAMP], box.client, lambda *key: woken.append(key[:3]))
    stop = asyncio.Event()
    running = asyncio.create_task(shell.run(stop))
    box.create(ramp())
    await until(lambda: woken)
    box.server.faults.add(Fault("status", resource=PLURAL, status=503, agent="autopilot-kopf"))
    box.server.faults.act("cut-watches")
    await until(lambda: shell.starts >= 2, 30)
    stop.set()
    await running
    assert [r.getMessage() for r in caplog.records if r.name.startswith("kopf")] == []
    assert any("kopf ended" in r.getMessage() for r in caplog.records)


async def test_kopf_that_ends_is_started_again(box: Box) -> None:
    woken: list[Any] = []
    fault = box.server.faults.add(
        Fault("status", verb="list", resource=PLURAL, status=403, agent="autopilot-kopf")
    )
    shell = KopfShell([RAMP], box.client, lambda *key: woken.append(key[:3]))
    stop = asyncio.Event()
    running = asyncio.create_task(shell.run(stop))
    await until(lambda: shell.starts >= 2, 30)
    box.server.faults.remove(fault)
    box.create(ramp("after"))
    await until(lambda: woken, 30)
    stop.set()
    await running
    await until(lambda: not [t for t in threading.enumerate() if t.name == "kopf"])


async def test_a_runtime_with_its_shell_serves_and_leaves_quickly(box: Box) -> None:
    box.create(ramp())
    process = await box.run(
        define(phase("Waiting", lambda *_: Result.stay(), initial=True)), shell=True
    )
    await until(lambda: box.server.requests.matching(verb="watch", user_agent="autopilot-kopf"))
    began = time.monotonic()
    await process.end()
    assert time.monotonic() - began < 10
    await until(lambda: not [t for t in threading.enumerate() if t.name == "kopf"])


@pytest.mark.parametrize(("entirely", "said"), [(True, False), (False, True)])
def test_kopf_is_silent_even_at_the_debug_level_where_the_url_is_a_secret(
    entirely: bool, said: bool
) -> None:
    root, kopf = logging.getLogger(), logging.getLogger("kopf")
    before = root.level, kopf.level
    try:
        root.setLevel(logging.DEBUG)
        hush(entirely=entirely)
        assert logging.getLogger("kopf._cogs.clients.api").isEnabledFor(logging.ERROR) is said
    finally:
        root.setLevel(before[0])
        kopf.setLevel(before[1])
