"""A rule on the real Envoy and Prometheus, run by the controller as a process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from autopilot.kube.client import ApiError
from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES
from autopilot.rules.definition import RULES
from autopilot.sandbox.box import Box
from autopilot.sandbox.demo import manifests, shop
from autopilot.sandbox.demo.operator import Verb, command
from autopilot.sandbox.load.generator import LoadGenerator, Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from autopilot.kube.client import Body, KubeClient

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(240)]

NS = manifests.NAMESPACE
ROUTES = KNOWN["virtualservices"]

RULE = """\
apiVersion: autopilot.mesh/v1alpha1
kind: Rule
metadata: {name: breach, namespace: shop}
spec:
  target: {service: checkout}
  interval: 500ms
  minRequests: 10
  signals:
    errors: {builtin: errorRate, window: 4s}
    ready: {ready: checkout}
    standby: {ready: checkout-standby}
  phases:
  - name: Normal
    initial: true
    transitions: [{to: Standby, when: errors > 20% && standby >= 1, for: 1s}]
  - name: Standby
    actions: [{failover: {to: checkout-standby}}]
    transitions: [{to: Normal, when: ready >= 1, approve: true}]
  onDelete: restore
"""


async def until(check: Callable[[], Awaitable[Any]], what: str, seconds: float = 60.0) -> Any:
    last: Any = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(ApiError):
                    if last := await check():
                        return last
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {seconds} s; {last}") from None


async def populate(client: KubeClient) -> None:
    for body in yaml.safe_load_all(await command("crds")):
        await client.apply(CUSTOM_RESOURCE_DEFINITIONS, body, manager="kubectl")
    space: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}}
    await client.apply(NAMESPACES, space, manager="kubectl")
    for body in (*shop.AIDED.bodies(), shop.AIDED.virtual_service()):
        kind = KNOWN[f"{body['kind'].lower()}s"]
        await client.apply(kind, body, manager="kubectl")


async def test_a_real_breach_moves_real_traffic_and_a_person_lets_it_back(tmp_path: Path) -> None:
    async with Box(tmp_path / "box", scrape_interval=0.5) as box:
        state = box.state
        client = await connect(state.kubeconfig)
        controller = Verb(
            *("controller", "--only", "rules", "--metrics-addr", "127.0.0.1:0"),
            kubeconfig=box.kubeconfig,
            metrics=state.prometheus_url,
            log=tmp_path / "controller.log",
        )
        load = LoadGenerator(Target(f"{state.ingress_url}/", shop.AIDED.host, 100.0))
        try:
            await populate(client)

            async def pods() -> bool:
                found = await client.get(KNOWN["deployments"], "checkout", NS)
                return bool((found.get("status") or {}).get("availableReplicas") == 2)

            await until(pods, "the pods")
            controller.start()
            await client.apply(RULES, yaml.safe_load(RULE), manager="kubectl")
            await load.start()
            await _story(client, controller, load, box)
        except BaseException:
            print((tmp_path / "controller.log").read_text()[-4000:])
            raise
        finally:
            await load.stop()
            await controller.stop()
            await client.close()


async def _story(client: KubeClient, controller: Verb, load: LoadGenerator, box: Box) -> None:
    def phase(name: str) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            controller.check()
            rule = await client.get(RULES, "breach", NS)
            return bool((rule.get("status") or {}).get("phase") == name)

        return check

    async def route() -> Body:
        return await client.get(ROUTES, "checkout", NS)

    await until(phase("Normal"), "the rule's first phase")
    before = await route()
    bad = manifests.deployment(shop.BAD, name="checkout", replicas=2)
    await client.apply(KNOWN["deployments"], bad, manager="kubectl")
    await until(phase("Standby"), "the failover")
    began = time.monotonic()

    # Killed, it comes back to what stands and changes nothing.
    await controller.kill()
    held = await route()
    controller.start()
    await asyncio.sleep(2.0)
    assert (await route())["metadata"]["resourceVersion"] == held["metadata"]["resourceVersion"]
    assert await phase("Standby")()
    # Envoy has had a second to hear of the route; the standby never fails.
    answered = load.window(began + 1.0)
    assert len(answered) > 50
    assert not [one for one in answered if one.failed]

    good = manifests.deployment(shop.MENDED, name="checkout", replicas=2)
    await client.apply(KNOWN["deployments"], good, manager="kubectl")
    refused = await _fails("approve", "rule/breach", "Nirvana", "-n", NS, box=box)
    assert "nothing waits for an approval of Nirvana" in refused
    said = await command(
        *("approve", "rule/breach", "Normal", "-n", NS, "--kubeconfig", str(box.kubeconfig))
    )
    assert "the way from Standby to Normal is open" in said
    await until(phase("Normal"), "the return")
    after = await route()
    assert after["spec"] == before["spec"]
    for name in ("labels", "annotations"):
        assert after["metadata"].get(name) == before["metadata"].get(name)
    rule = await client.get(RULES, "breach", NS)
    assert "autopilot.mesh/approve" not in (rule["metadata"].get("annotations") or {})


async def _fails(*arguments: str, box: Box) -> str:
    with pytest.raises(Exception, match="failed") as raised:
        await command(*arguments, "--kubeconfig", str(box.kubeconfig))
    return str(raised.value)
