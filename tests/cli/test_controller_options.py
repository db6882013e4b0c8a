"""What `autopilot controller` and `autopilot approve` make of what is typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from console import autopilot

from autopilot.base.clock import VirtualClock
from autopilot.base.errors import InvalidInput
from autopilot.cli.cluster import Access
from autopilot.cli.controlling import Live, Orders, configuration
from autopilot.rules.crd import rule_crd
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.spec.hosts import allows, place_of

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = Access(None, None, "")


def test_a_wrong_configuration_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("guardrails:\n  maxStep: 120%\nallowedHosts: [http://x]\n")
    done = autopilot("controller", "--config", "c.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "c.yaml:2: guardrails.maxStep" in done.stderr
    assert "c.yaml:3: allowedHosts" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["controller", "--config", "none.yaml"], "none.yaml"),
        (["controller", "--only", "canary"], "'canary' is not"),
        (["approve", "rule/x"], "name the phase"),
        (["approve", "rule/x", "Trial", "--latch"], "name the phase"),
        (["approve", "x", "Trial"], "no KIND/NAME"),
        (["approve", "canary/x", "Trial"], "'canary' isn't known"),
        (["approve", "rule/x", "Trial", "--sandbox", "none"], "no sandbox 'none' is up"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = autopilot(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr


def test_flags_stand_above_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "watchNamespace: a\nworkInterval: 7s\nguardrails: {maxStep: 25%}\nallowedHosts: [h:1]\n"
    )
    made = configuration(Orders(NOWHERE, ["rules"], file, namespace="b", metrics_addr=""))
    assert (made.watch_namespace, made.metrics_addr) == ("b", "")
    assert made.work_interval.total_seconds() == 7
    assert made.guardrails.max_step == 25
    assert made.allowed_hosts == ("h:1",)
    assert configuration(Orders(NOWHERE, ["rules"], file)).watch_namespace == "a"
    with pytest.raises(InvalidInput, match="watchNamespace"):
        configuration(Orders(NOWHERE, ["rules"], namespace="No_Such"))


@pytest.mark.parametrize(
    ("allowed", "url", "good"),
    [
        (["a.b"], "http://a.b/x", True),
        (["a.b"], "https://A.B:8443/x", True),
        (["a.b:443"], "https://a.b/x", True),
        (["a.b:443"], "http://a.b/x", False),
        (["*.b"], "http://a.b/", True),
        (["*.b"], "http://b/", False),
        (["*.b"], "http://ab/", False),
        (["*"], "http://anything:1/", True),
        (["*"], "ftp://anything/", False),
        (["*"], "http:///x", False),
        (["*"], "http://a:99999/", False),
        (["a"], "http://a@evil/", False),
        (["a"], "http://evil/?a", False),
        (["[::1]:80"], "http://[::1]/", True),
        (["[::1]"], "http://[::2]/", False),
        ([], "http://a/", False),
    ],
)
def test_only_allowed_hosts_are_allowed(allowed: list[str], url: str, good: bool) -> None:
    assert allows(allowed, url) is good


def test_the_place_of_a_url() -> None:
    assert place_of("HTTPS://Example.COM./x") == ("example.com", 443)


async def test_approval_is_given_only_where_something_waits_for_it(tmp_path: Path) -> None:
    import asyncio

    server = ApiServer()
    await server.start()
    try:
        server.store.create(rule_crd())
        server.store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        server.store.create(_rule())
        (tmp_path / "kc").write_text(json.dumps(server.kubeconfig()))

        async def said(*arguments: str) -> tuple[int, str]:
            done = await asyncio.to_thread(
                autopilot, "approve", *arguments, "--kubeconfig", "kc", cwd=tmp_path
            )
            return done.returncode, done.stdout + done.stderr

        elsewhere = "there is no Rule default/r; it is in shop: -n shop\n"
        assert await said("rule/r", "Back") == (2, elsewhere)
        assert "it is in no phase yet" in (await said("rule/r", "Back", "-n", "shop"))[1]
        server.store.merge(
            "rules.autopilot.mesh", "r", {"status": {"phase": "Away"}}, "shop", subresource="status"
        )
        code, text = await said("rule/r", "Elsewhere", "-n", "shop")
        assert (code, "what waits: Back" in text) == (2, True)
        assert await said("rules.autopilot.mesh/r", "Back", "-n", "shop") == (
            0,
            "Rule shop/r: the way from Away to Back is open\n",
        )
        refused = "no guardrail holds it; there is nothing to let go of\n"
        assert await said("rule/r", "-n", "shop", "--latch") == (2, refused)
        latched = {"status": {"conditions": [{"type": "Latched", "status": "True"}]}}
        server.store.merge("rules.autopilot.mesh", "r", latched, "shop", subresource="status")
        assert (await said("rule/r", "-n", "shop", "--latch"))[0] == 0
        notes = server.store.get("rules.autopilot.mesh", "r", "shop")["metadata"]["annotations"]
        assert notes == {"autopilot.mesh/approve": "Back", "autopilot.mesh/unlatch": "true"}
    finally:
        await server.stop()


def _rule() -> dict[str, Any]:
    away = {"to": "Away", "when": "there < 1"}
    back = {"to": "Back", "when": "there >= 1", "approve": True}
    return {
        "apiVersion": "autopilot.mesh/v1alpha1",
        "kind": "Rule",
        "metadata": {"name": "r", "namespace": "shop"},
        "spec": {
            "target": {"service": "web"},
            "signals": {"there": {"ready": "web"}},
            "phases": [
                {"name": "Back", "initial": True, "transitions": [away]},
                {"name": "Away", "transitions": [back]},
            ],
        },
    }


async def test_an_edited_file_is_taken_over_under_the_flags(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("allowedHosts: [a]\n")
    orders = Orders(NOWHERE, ["rules"], file, namespace="b")
    live = Live(orders, configuration(orders))
    clock = VirtualClock()
    watch = live.watch(clock)
    assert watch is not None
    assert (live.allows("http://a/"), live.allows("http://c/")) == (True, False)
    file.write_text("allowedHosts: [c]\nwatchNamespace: other\n")
    await watch.look()
    await watch.look()
    assert (live.allows("http://a/"), live.allows("http://c/")) == (False, True)
    assert live.config.watch_namespace == "b"
    file.write_text("allowedHosts: 7\n")
    await watch.look()
    await watch.look()
    assert live.allows("http://c/")
    assert Live(Orders(NOWHERE, ["rules"]), live.config).watch(clock) is None
