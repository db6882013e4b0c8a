"""A failover and its return, with the controller's process killed after each of its writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from halt_kit import plain, route
from kill_kit import live, live_dying

if TYPE_CHECKING:
    from halt_kit import Cluster

VS = "virtualservices.networking.istio.io"


def failover(**more: Any) -> dict[str, Any]:
    """Judged by ready endpoints alone, so that no telemetry is needed."""

    def phase(name: str, to: str, when: str, *actions: dict[str, Any], **rest: Any) -> Any:
        ways = [{"to": to, "when": when}]
        return {"name": name, "actions": [*actions], "transitions": ways, **rest}

    ladder = {"to": "web-standby", "share": ["90%", "50%"], "dwell": "100ms"}
    return {
        "apiVersion": "autopilot.mesh/v1alpha1",
        "kind": "Rule",
        "metadata": {"name": "failover", "namespace": "shop"},
        "spec": {
            "target": {"service": "web"},
            "interval": "1s",
            "signals": {"alive": {"ready": "web"}},
            "phases": [
                phase("Normal", "Standby", "alive < 1", initial=True),
                phase("Standby", "Trial", "alive >= 1", {"failover": {"to": "web-standby"}}),
                phase("Trial", "Normal", "ladder.done && alive >= 1", {"failover": ladder}),
            ],
            **more,
        },
    }


def routed(cluster: Cluster) -> dict[str, Any] | None:
    """The object that routes the host, whatever its name."""
    found = [each for each in cluster.server.store.list(VS, "shop") if "web" in str(each["spec"])]
    assert len(found) < 2
    return dict(found[0]) if found else None


def weights(cluster: Cluster) -> dict[str, int]:
    body = routed(cluster)
    if body is None:
        return {"web": 100}
    ways = body["spec"]["http"][0]["route"]
    found = {way["destination"]["host"].split(".")[0]: way.get("weight", 100) for way in ways}
    assert sum(found.values()) == 100
    return found


def phase(cluster: Cluster) -> str:
    body = cluster.server.store.get("rules.autopilot.mesh", "failover", "shop")
    return str((body.get("status") or {}).get("phase"))


def ready(cluster: Cluster, count: int) -> None:
    conditions = {"ready": count > 0}
    cluster.server.store.merge(
        "endpointslices.discovery.k8s.io",
        "web",
        {"endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions}]},
        "shop",
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "owned", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["overlaid", "made"]
)
async def test_killed_after_every_write_it_fails_over_and_returns(
    cluster: Cluster, owned: bool
) -> None:
    await cluster.service("web")
    if not owned:
        # Nobody has made a route for the host: the controller makes a neutral one, and takes it.
        cluster.server.store.delete(VS, "web", "shop")
    before = plain(await cluster.get("web")) if owned else None
    cluster.server.store.create(failover())

    def never_to_nobody() -> None:
        alive = phase(cluster) != "Standby"
        assert alive or weights(cluster).get("web-standby", 0) == 100

    await live_dying(cluster, lambda: phase(cluster) == "Normal", lambda: weights(cluster))
    ready(cluster, 0)

    def away() -> bool:
        return phase(cluster) == "Standby" and weights(cluster).get("web-standby") == 100

    kills = await live_dying(cluster, away, never_to_nobody)
    assert kills >= 3
    await live(cluster, away)
    ready(cluster, 1)

    def home() -> bool:
        return phase(cluster) == "Normal" and weights(cluster) == {"web": 100}

    kills = await live_dying(cluster, home, lambda: weights(cluster))
    assert kills >= 4
    # A base that was just undone is left to the next sweep but one.
    await live(cluster, lambda: home() and (owned or routed(cluster) is None))
    body = routed(cluster)
    if owned:
        assert body is not None and plain(body) == before
        assert body["spec"] == route("web")["spec"]
