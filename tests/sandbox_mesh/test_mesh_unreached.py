"""What Prometheus shows of requests that no pod answered as it should: docs/sandbox.md's table."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from conftest_mesh import destination_rule, pod, service, serving, to, virtual_service
from test_mesh_telemetry import Asker, prometheus

if TYPE_CHECKING:
    from conftest_mesh import Backend, Box

    from autopilot.sandbox.telemetry.prometheus import PrometheusProcess

__all__ = ["prometheus"]
pytestmark = pytest.mark.envoy

Body = dict[str, Any]
LABELS = (
    *("destination_service_name", "destination_service_namespace", "destination_workload"),
    *("response_code", "response_flags", "grpc_response_status"),
)
ALL: Body = {"percentage": {"value": 100}}
NO_RETRIES: Body = {"retries": {"attempts": 0}}
NOWHERE = 1
"""A port on which nobody listens."""


def _objects(slow: int, failing: int) -> list[Body]:
    tight = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
    delay = {"fixedDelay": "20ms"} | ALL
    ports = {
        **dict.fromkeys(("timeout", "tries", "full"), slow),
        **dict.fromkeys(("aborted", "grpc", "delayed", "direct", "away"), slow),
        **dict.fromkeys(("failing", "retried"), failing),
        "dead": NOWHERE,
    }
    return [
        service("empty"),
        *(service(name) for name in ports),
        *(pod(name, port) for name, port in ports.items()),
        virtual_service(
            "aborted", {"route": [to("aborted")], "fault": {"abort": {"httpStatus": 503} | ALL}}
        ),
        virtual_service(
            "grpc", {"route": [to("grpc")], "fault": {"abort": {"grpcStatus": "UNAVAILABLE"} | ALL}}
        ),
        virtual_service("delayed", {"route": [to("failing")], "fault": {"delay": delay}}),
        virtual_service("direct", {"directResponse": {"status": 503}}),
        virtual_service("away", {"route": [to("missing")]}),
        virtual_service("timeout", {"route": [to("timeout")], "timeout": "50ms", **NO_RETRIES}),
        virtual_service(
            "tries",
            {
                "route": [to("tries")],
                "retries": {"attempts": 1, "perTryTimeout": "50ms", "retryOn": "5xx"},
            },
        ),
        virtual_service("full", {"route": [to("full")], **NO_RETRIES}),
        virtual_service("failing", {"route": [to("failing")], **NO_RETRIES}),
        destination_rule("full", trafficPolicy={"connectionPool": tight}),
    ]


async def _crowd(box: Box, pod: Backend) -> None:
    """Five at once where one is served and one may wait, once the first has its connection."""
    seen = pod.seen
    first = asyncio.create_task(box.get("full"))

    async def under_way() -> bool:
        return pod.seen > seen

    await box.until(under_way)
    await asyncio.gather(first, *(box.get("full") for _ in range(4)))


def _row(service: str, workload: str, code: str, flags: str, **more: str) -> tuple[str, ...]:
    namespace = more.get("namespace", "default")
    return (service, namespace, workload, code, flags, more.get("grpc", ""))


async def test_what_the_callers_proxy_counts_for_each_way_of_failing(
    box: Box, prometheus: PrometheusProcess
) -> None:
    asker = Asker(box, prometheus)
    async with serving("slow", "failing") as (slow, failing):
        slow.delay, failing.fail = 0.2, 1000
        await box.put(*_objects(slow.port, failing.port))
        await box.up()
        for name in ("empty", "dead", "aborted", "direct", "away", "timeout", "tries", "failing",
                     "retried", "delayed"):  # fmt: skip
            await box.get(name)
        await box.get("direct.default:80")
        await box.get("nobody")
        await box.get("grpc", headers={"content-type": "application/grpc"})
        await _crowd(box, slow)
        wanted = {
            _row("empty", "unknown", "503", "UH"): 1.0,
            _row("dead", "dead", "503", "URX,UF"): 1.0,
            _row("aborted", "unknown", "503", "FI"): 1.0,
            _row("grpc", "unknown", "200", "FI", grpc="14"): 1.0,
            _row("failing", "failing", "503", "DI"): 1.0,
            _row("failing", "failing", "503", "-"): 1.0,
            _row("retried", "retried", "503", "URX"): 1.0,
            _row("timeout", "timeout", "504", "UT"): 1.0,
            _row("tries", "tries", "504", "URX,UT"): 1.0,
            _row("full", "full", "200", "-"): 2.0,
            _row("full", "unknown", "503", "UO"): 3.0,
            _row("missing", "unknown", "503", "UH"): 1.0,
            _row("direct", "unknown", "503", "-", namespace="unknown"): 1.0,
            _row("direct.default:80", "unknown", "503", "-", namespace="unknown"): 1.0,
            _row("nobody", "unknown", "404", "NR", namespace="unknown"): 1.0,
        }
        chosen = 'reporter="source",source_app="loadgen",source_version="unknown"'
        by = ",".join(LABELS)
        for metric in ("istio_requests_total", "istio_request_duration_milliseconds_count"):
            query = f"sum by({by})({metric}{{{chosen}}})"
            try:
                await asker.until(wanted, query, *LABELS)
            except TimeoutError:
                assert await asker.ask(query, *LABELS) == wanted, metric
        tried = await asker.ask(
            'sum by(destination_service_name)(istio_requests_total{reporter="destination"})',
            "destination_service_name",
        )
        # A try that was given up, or that nobody answered, is none.
        assert tried == {("failing",): 2.0, ("retried",): 3.0, ("full",): 2.0}
