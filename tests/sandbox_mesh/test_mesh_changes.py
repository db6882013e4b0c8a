"""Changes reach traffic at once, and bad ones not at all."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from conftest_mesh import Box, destination_rule, pod, service, serving, to, virtual_service

from autopilot.kube.kinds import KNOWN
from autopilot.sandbox.mesh.envoy import EnvoyProcess

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.kube.client import KubeClient

pytestmark = pytest.mark.envoy

SHOP = KNOWN["virtualservices"]


def weights(first: int) -> dict[str, Any]:
    return {"route": [to("a", first), to("b", 100 - first)]}


async def two(box: Box, ports: tuple[int, int]) -> None:
    """Services a and b, and `shop` whose requests all go to a."""
    for name, port in zip(("a", "b"), ports, strict=True):
        await box.put(service(name), pod(name, port))
    await box.put(service("shop", {"app": "a"}), virtual_service("shop", weights(100)))
    await box.up()


async def patch(box: Box, *routes: dict[str, Any], **spec: Any) -> None:
    await box.client.patch(SHOP, "shop", "default", {"spec": {"http": list(routes), **spec}})


async def test_no_request_fails_while_weights_flip_and_each_flip_is_quick(box: Box) -> None:
    answers: list[tuple[float, int, str]] = []
    lags = []
    running = True

    async def load() -> None:
        while running:
            status, text = await box.get("shop")
            answers.append((time.monotonic(), status, text))

    async with serving("a", "b") as (a, b), asyncio.TaskGroup() as group:
        await two(box, (a.port, b.port))
        tasks = [group.create_task(load()) for _ in range(4)]
        for flip in range(100):
            new = "ba"[flip % 2]
            sent, known = time.monotonic(), len(answers)
            await patch(box, weights(100 if new == "a" else 0))
            # Longer than is allowed, so that a late answer is seen to be late.
            await asyncio.sleep(0.08)
            last = max((at for at, _, text in answers[known:] if text != new), default=sent)
            lags.append((last - sent) * 1000)
        running = False
        await asyncio.gather(*tasks)
    failed = [answer for answer in answers if answer[1] != 200]
    print(
        f"patch sent to last old answer: median {statistics.median(lags):.1f} ms, "
        f"max {max(lags):.1f} ms, n {len(lags)}; {len(failed)} of {len(answers)} failed"
    )
    assert not failed
    assert statistics.median(lags) < 50


async def test_what_envoy_refuses_is_told_and_the_old_routes_stay(box: Box) -> None:
    async with serving("a", "b") as (a, b):
        await two(box, (a.port, b.port))
        bad = {"match": [{"uri": {"regex": "("}}], **weights(0)}
        await patch(box, bad, weights(0))
        event = await box.until_event("RejectedByEnvoy")
        assert "missing )" in event["message"]
        assert "the version before it stands" in event["message"]
        assert await box.count("shop", 10) == {"a": 10}
        # Others go on, and so does this one once it is mended.
        await box.put(service("late", {"app": "b"}))
        await box.until_answers("late", "b")
        assert await box.count("shop", 10) == {"a": 10}
        await patch(box, weights(0))
        await box.until_answers("shop", "b")
        assert len(await box.events("RejectedByEnvoy")) == 1


async def test_of_two_changes_at_once_only_the_bad_one_is_held_back(box: Box) -> None:
    async with serving("a", "b") as (a, b):
        await two(box, (a.port, b.port))
        await box.down()
        bad = {"match": [{"headers": {"x": {"regex": "["}}}], **weights(0)}
        await patch(box, bad)
        await box.put(
            service("other", {"app": "a"}), virtual_service("other", {"route": [to("b")]})
        )
        await box.up()
        assert await box.get("other") == (200, "b")
        assert await box.get("shop") == (200, "a")
        assert (await box.until_event("RejectedByEnvoy"))["involvedObject"]["name"] == "shop"


async def test_weights_that_add_up_to_nothing_are_refused_even_across_a_restart(box: Box) -> None:
    async with serving("a", "b") as (a, b):
        await two(box, (a.port, b.port))
        await patch(box, {"route": [to("a", 0), to("b", 0)]})
        assert "add up to more than 0" in (await box.until_event("Invalid"))["message"]
        assert await box.count("shop", 10) == {"a": 10}
        await box.down()
        await box.up()
        assert await box.count("shop", 10) == {"a": 10}
        assert len(await box.events("Invalid")) == 1


async def test_fields_that_are_not_carried_out_are_named_once_per_generation(box: Box) -> None:
    async with serving("a", "b") as (a, b):
        await two(box, (a.port, b.port))
        await patch(box, weights(100) | {"corsPolicy": {"allowOrigins": []}}, tcp=[])
        event = await box.until_event("NotImplementedBySandbox")
        assert event["message"] == "ignored: spec.http[0].corsPolicy, spec.tcp"
        meta = {"metadata": {"labels": {"touched": "yes"}}}
        await box.client.patch(SHOP, "shop", "default", meta)
        await box.down()
        await box.up()
        assert len(await box.events("NotImplementedBySandbox")) == 1


async def test_the_older_of_two_virtual_services_for_a_host_wins(box: Box) -> None:
    async with serving("a", "b") as (a, b):
        await two(box, (a.port, b.port))
        # Creation times have whole seconds; by name `a-rival` would come first.
        await asyncio.sleep(1.1)
        await box.put(virtual_service("a-rival", {"route": [to("b")]}, hosts=["shop"]))
        event = await box.until_event("HostConflict")
        assert event["involvedObject"]["name"] == "a-rival"
        assert await box.count("shop", 10) == {"a": 10}
        await box.delete("virtualservices", "shop")
        await box.until_answers("shop", "b")


async def test_a_restarted_controller_writes_nothing_and_keeps_every_port(box: Box) -> None:
    async with serving("a", "b") as (a, b):
        await two(box, (a.port, b.port))
        await box.put(pod("a", a.port, annotations={"sandbox.autopilot.mesh/outbound": "true"}))

        async def there() -> bool:
            return "default/a" in box.mesh.ports

        await box.until(there)
        ports = box.mesh.ports
        files = {path: path.stat().st_mtime_ns for path in box.directory.glob("*/*.json")}
        await box.down()
        assert await box.get("shop") == (200, "a")
        await box.up()
        assert box.mesh.ports == ports
        assert {path: path.stat().st_mtime_ns for path in box.directory.glob("*/*.json")} == files
        await patch(box, weights(0))
        await box.until_answers("shop", "b")


async def test_a_caller_whose_pods_are_gone_keeps_its_port(box: Box) -> None:
    async with serving("a", "b") as (a, b):
        await two(box, (a.port, b.port))
        await box.put(pod("c", a.port, env={"UPSTREAMS": "http://shop"}))

        async def there() -> bool:
            return "default/c" in box.mesh.ports

        await box.until(there)
        port = box.mesh.ports["default/c"]
        await box.delete("pods", "c-abc12-x")
        await box.down()
        await box.up()
        assert box.mesh.ports["default/c"] == port
        assert await box.get("shop", caller="default/c") == (200, "a")


async def test_an_envoy_that_is_started_again_serves_what_it_served(box: Box) -> None:
    async with serving("a", "b") as (a, b):
        await two(box, (a.port, b.port))
        await patch(box, weights(0))
        await box.until_answers("shop", "b")
        admin = box.envoy.admin_url
        await box.envoy.stop()
        await box.envoy.start()
        assert box.envoy.admin_url == admin

        async def again() -> bool:
            try:
                return await box.get("shop") == (200, "b")
            except aiohttp.ClientError:
                return False

        await box.until(again, 10)


async def test_a_stopped_envoy_leaves_nothing_and_lets_requests_finish(
    tmp_path: Path, client: KubeClient
) -> None:
    envoy = EnvoyProcess(tmp_path / "envoy")
    shared = sorted(os.listdir("/dev/shm"))  # noqa: PTH208
    began = time.monotonic()
    await envoy.start()
    print(f"Envoy {envoy.version} ready after {(time.monotonic() - began) * 1000:.0f} ms")
    pid = envoy.pid
    box = Box(client, envoy, envoy.directory)
    async with serving("a", "b") as (a, b), aiohttp.ClientSession() as box.http:
        await two(box, (a.port, b.port))
        a.delay = 0.5
        slow = asyncio.create_task(box.get("shop"))

        async def arrived() -> bool:
            return a.seen == 1

        await box.until(arrived)
        await box.down()
        await envoy.stop()
        assert await slow == (200, "a")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert envoy.pid == 0
    assert sorted(os.listdir("/dev/shm")) == shared  # noqa: PTH208


async def test_the_files_hold_valid_resources_with_unique_versions(box: Box) -> None:
    async with serving("a", "b") as (a, b):
        await two(box, (a.port, b.port))
        await patch(box, weights(50))

        async def split() -> bool:
            return len(await box.count("shop", 10)) == 2

        await box.until(split)
    found = [json.loads(path.read_text()) for path in box.directory.glob("*/*.json")]
    versions = [file["version_info"] for file in found]
    assert len(set(versions)) == len(versions) == 3


async def test_subsets_follow_their_destination_rule(box: Box) -> None:
    async with serving("v1", "v2") as (v1, v2):
        await box.put(
            service("shop"),
            pod("shop-v1", v1.port, app="shop", version="v1"),
            pod("shop-v2", v2.port, app="shop", version="v2"),
            virtual_service("shop", {"route": [to("shop", subset="v2")]}),
        )
        await box.up()
        assert (await box.get("shop"))[0] == 503
        await box.until_event("SubsetNotFound")
        await box.put(destination_rule("shop", "v1", "v2"))
        await box.until_answers("shop", "v2")


async def test_an_object_of_a_kind_that_is_not_carried_out_is_told_so(box: Box) -> None:
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "deny", "namespace": "default"},
        "spec": {"action": "DENY", "rules": [{}]},
    }
    await box.put(policy)
    await box.up()
    event = await box.until_event("NotImplementedBySandbox")
    assert event["involvedObject"]["kind"] == "AuthorizationPolicy"
    assert event["message"] == "ignored: every request is allowed"


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
async def test_routes_count_whatever_version_they_are_written_in(box: Box, version: str) -> None:
    async with serving("a", "b") as (a, b):
        for name, port in (("a", a.port), ("b", b.port)):
            await box.put(service(name), pod(name, port))
        await box.put(service("shop", {"app": "a"}))
        written = f"networking.istio.io/{version}"
        body = {**virtual_service("shop", weights(0)), "apiVersion": written}
        where = f"/apis/{written}/namespaces/default/virtualservices"
        made = await box.client.request("POST", where, body)
        assert made["apiVersion"] == written
        await box.up()
        await box.until_answers("shop", "b")
