"""Deployments against a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads_kit import ask, real_port

if TYPE_CHECKING:
    from workloads_kit import Cluster


async def test_a_deployment_becomes_pods_that_answer(cluster: Cluster) -> None:
    await cluster.deploy("web", 2, VERSION="v1")
    await cluster.rolled_out()
    for pod in await cluster.pods():
        status, headers, body = await ask(real_port(pod))
        assert status == 200
        assert headers["x-pod"] == pod["metadata"]["name"]
        assert body == {
            "version": "v1", "pod": pod["metadata"]["name"], "workload": "web", "path": "/",
        }  # fmt: skip
