"""Puts the controller together: configuration, API, telemetry, mesh, runtime."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from autopilot.base import logs
from autopilot.base.clock import SystemClock
from autopilot.base.errors import InvalidInput, Problem
from autopilot.cli.running import options, until_stopped
from autopilot.kube.http import connect
from autopilot.mesh.providers import provider
from autopilot.project.load import read_config_as
from autopilot.rules.definition import rules
from autopilot.runtime.operator import Runtime
from autopilot.spec.controller_config import ControllerConfig
from autopilot.spec.hosts import allows
from autopilot.telemetry.poller import Poller
from autopilot.telemetry.prometheus import PrometheusSource
from autopilot.telemetry.secrets import KubeSecrets
from autopilot.telemetry.sources import Limits, Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from autopilot.base.clock import Clock
    from autopilot.cli.cluster import Access
    from autopilot.kube.client import KubeClient
    from autopilot.runtime.definition import OperatorDefinition

QUERY_TIMEOUT = 5.0
"""Seconds for one query to a metrics server."""

_MADE: dict[str, Callable[[Clock], OperatorDefinition]] = {"rules": rules}


@dataclass(frozen=True, slots=True)
class Orders:
    """What `autopilot controller` was asked for.

    Attributes:
        access: The cluster and its metrics server.
        only: The operators to serve.
        config_file: The installation's configuration; None for the defaults.
        namespace: The only namespace; empty for the configuration's.
        dry_run: Write nothing.
        metrics_addr: Where its own metrics are served; None for the configuration's.
        json_lines: Log as JSON.
    """

    access: Access
    only: Sequence[str]
    config_file: Path | None = None
    namespace: str = ""
    dry_run: bool = False
    metrics_addr: str | None = None
    json_lines: bool = False


def configuration(orders: Orders) -> ControllerConfig:
    """The installation's configuration under flags and environment.

    Raises:
        InvalidInput: Every problem of the file.
    """
    config = ControllerConfig().with_environment(os.environ)
    if orders.config_file is not None:
        config = read_config_as(ControllerConfig, orders.config_file)[1]
    wanted: dict[str, str] = {}
    if orders.namespace:
        wanted["watchNamespace"] = orders.namespace
    if orders.metrics_addr is not None:
        wanted["metricsAddr"] = orders.metrics_addr
    if not wanted:
        return config
    whole = {**config.model_dump(by_alias=True, mode="python"), **wanted}
    try:
        return ControllerConfig.model_validate(whole)
    except ValueError as error:
        raise InvalidInput([Problem("", 0, ", ".join(wanted), str(error))]) from None


async def serve(orders: Orders) -> int:
    """Serve until a signal; returns the exit code.

    Raises:
        InvalidInput: The configuration is wrong.
        ApiError: The API refuses from the start.
    """
    config = configuration(orders)
    logs.configure(config.logging_level, json_lines=orders.json_lines)
    clock = SystemClock()
    mesh = provider(config.mesh_provider)
    access = orders.access
    client = await connect(access.kubeconfig, access.context, user_agent="autopilot/controller")
    try:
        address = access.metrics_server or mesh.prometheus_address(config.control_plane_ns)
        _introduce(orders, config, client, address)
        source = PrometheusSource(address)
        try:
            allow = functools.partial(allows, config.allowed_hosts)
            poller = Poller(
                source,
                clock,
                default_interval=config.work_interval.total_seconds(),
                timeout=QUERY_TIMEOUT,
            )
            samples = Sources(
                poller, clock, secrets=KubeSecrets(client), limits=Limits(allow, QUERY_TIMEOUT)
            )
            runtime = Runtime(
                [_MADE[name](clock) for name in dict.fromkeys(orders.only)],
                client=client,
                samples=samples,
                provider=mesh,
                clock=clock,
                options=options(
                    config,
                    client,
                    dry_run=orders.dry_run,
                    allow_url=allow,
                ),
            )
            await until_stopped(runtime)
        finally:
            await source.close()
    finally:
        await client.close()
    return 0


def _introduce(orders: Orders, config: ControllerConfig, client: KubeClient, metrics: str) -> None:
    """Say where it will act, before it does."""
    lines = [
        f"serving    {', '.join(orders.only)}",
        f"context    {client.context}",
        f"server     {client.server}",
        f"namespace  {config.watch_namespace or 'all namespaces'}",
        f"metrics    {metrics}",
    ]
    if orders.dry_run:
        lines.append("dry run    nothing will be written")
    for line in lines:
        click.echo(line, err=True)
