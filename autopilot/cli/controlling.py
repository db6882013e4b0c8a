"""Puts the controller together: configuration, API, telemetry, mesh, runtime."""

from __future__ import annotations

import logging
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
from autopilot.operators.chaos.definition import experiments
from autopilot.project.load import read_config_as
from autopilot.project.watch import ConfigWatch
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

_log = logging.getLogger("autopilot.controller")

QUERY_TIMEOUT = 5.0
"""Seconds for one query to a metrics server."""


def definition(
    name: str, clock: Clock, config: ControllerConfig, allow: Callable[[str], bool]
) -> OperatorDefinition:
    """One of the included operators.

    Args:
        name: As `--only` spells it.
        clock: For everything.
        config: The installation's.
        allow: Whether it allows the host of a webhook.
    """
    if name == "chaos":
        return experiments(clock, refused=[config.control_plane_ns], allow_url=allow)
    return rules(clock)


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
    return _under_flags(config, orders)


def _under_flags(config: ControllerConfig, orders: Orders) -> ControllerConfig:
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
            live = Live(orders, config)
            allow = live.allows
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
                [definition(name, clock, config, allow) for name in dict.fromkeys(orders.only)],
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
            live.runtime, live.samples = runtime, samples
            await until_stopped(runtime, live.watch(clock))
        finally:
            await source.close()
    finally:
        await client.close()
    return 0


class Live:
    """The configuration as it is now: takes over an edited file, as far as that goes.

    Args:
        orders: Flags stand above the file.
        config: As it is at the start.
    """

    def __init__(self, orders: Orders, config: ControllerConfig) -> None:
        self._orders = orders
        self.config = config
        self.runtime: Runtime | None = None
        self.samples: Sources | None = None

    def allows(self, url: str) -> bool:
        """Whether the installation allows a URL's host, as of now."""
        return allows(self.config.allowed_hosts, url)

    def watch(self, clock: Clock) -> ConfigWatch[ControllerConfig] | None:
        """Watches the file; None where there is none."""
        file = self._orders.config_file
        return None if file is None else ConfigWatch(file, self, clock, model=ControllerConfig)

    def __call__(self, config: ControllerConfig) -> None:
        """Take over an edited file."""
        config = _under_flags(config, self._orders)
        before, self.config = self.config, config
        if self.samples is not None:
            self.samples.default_interval = config.work_interval.total_seconds()
        if self.runtime is not None:
            self.runtime.reload(
                config=config.config,
                work_interval=config.work_interval,
                log_level=config.logging_level,
                guardrails=config.guardrails,
            )
        fixed = ("watch_namespace", "metrics_addr", "mesh_provider", "control_plane_ns")
        later = [name for name in fixed if getattr(config, name) != getattr(before, name)]
        if later:
            _log.warning("takes effect at the next start", extra=logs.fields(changed=later))


def _introduce(orders: Orders, config: ControllerConfig, client: KubeClient, metrics: str) -> None:
    """Say where it will act, before it does."""
    lines = [
        f"serving    {', '.join(orders.only)}",
        f"context    {client.context}",
        f"server     {client.server}",
        f"namespace  {config.watch_namespace or 'all namespaces'}",
        f"metrics    {metrics}",
    ]
    if config.enable_leader_election:
        lines.append("leader election is not in force in this version: run one replica only")
    if orders.dry_run:
        lines.append("dry run    nothing will be written")
    for line in lines:
        click.echo(line, err=True)
