"""Puts an operator together: project, API, telemetry, mesh, runtime."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from autopilot.base import logs
from autopilot.base.clock import SystemClock
from autopilot.kube.http import connect
from autopilot.mesh.providers import provider
from autopilot.project.definition import load_definitions
from autopilot.project.watch import ConfigWatch
from autopilot.runtime.operator import Runtime
from autopilot.runtime.settings import RuntimeOptions, any_url
from autopilot.telemetry.poller import Poller
from autopilot.telemetry.prometheus import PrometheusSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from autopilot.kube.client import KubeClient
    from autopilot.project.load import Project
    from autopilot.spec.operator_config import OperatorConfig

_log = logging.getLogger("autopilot.run")

SANDBOX_CONTEXT = "autopilot-sandbox"
"""The name of the context in a sandbox's kubeconfig."""

_QUERY_TIMEOUT = 5.0
"""Seconds for one query to the metrics server."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What `autopilot run` was asked for.

    Attributes:
        directory: The project.
        kubeconfig: A path; None to search as kubectl does.
        context: A context of it; None for its current one.
        metrics_server: Prometheus's address; empty to ask the provider.
        dry_run: Write nothing.
        json_lines: Log as JSON.
    """

    directory: Path
    kubeconfig: str | None
    context: str | None
    metrics_server: str
    dry_run: bool
    json_lines: bool


async def serve(wish: Wish) -> int:
    """Run until a signal; returns the exit code.

    Raises:
        InvalidInput: The project or its configuration is wrong.
        ApiError: The API refuses from the start.
    """
    project, definitions = load_definitions(wish.directory)
    logs.configure(project.config.logging_level, json_lines=wish.json_lines)
    for note in project.notes:
        click.echo(f"note: {note}", err=True)
    clock = SystemClock()
    mesh = provider(project.config.mesh_provider)
    client = await connect(wish.kubeconfig, wish.context, user_agent=f"autopilot/{project.name}")
    try:
        address = wish.metrics_server or mesh.prometheus_address(project.config.control_plane_ns)
        _introduce(wish, project, client, address)
        source = PrometheusSource(address)
        try:
            samples = Poller(
                source,
                clock,
                default_interval=project.config.work_interval.total_seconds(),
                timeout=_QUERY_TIMEOUT,
            )
            runtime = Runtime(
                definitions,
                client=client,
                samples=samples,
                provider=mesh,
                clock=clock,
                options=options(project.config, client, dry_run=wish.dry_run),
            )
            reload = _Reload(project, runtime, samples)
            models = [definition.config for definition in definitions]
            watch = ConfigWatch(project.config_path, reload, clock, models=models)
            await until_stopped(runtime, watch)
        finally:
            await source.close()
    finally:
        await client.close()
    return 0


def options(
    config: OperatorConfig,
    client: KubeClient,
    *,
    dry_run: bool,
    allow_url: Callable[[str], bool] = any_url,
) -> RuntimeOptions:
    """The runtime's options from `autopilot-operator.yaml`, or from the controller's file.

    Against a sandbox metrics are served on loopback and a free port, whatever the file says:
    nothing of a sandbox is seen from outside, and two operators don't get in each other's way.
    """
    metrics = config.metrics_addr
    if metrics and client.context == SANDBOX_CONTEXT:
        metrics = "127.0.0.1:0"
    return RuntimeOptions(
        work_interval=config.work_interval,
        config=config.config,
        watch_namespace=config.watch_namespace,
        dry_run=dry_run,
        metrics_addr=metrics,
        guardrails=config.guardrails,
        allow_url=allow_url,
    )


def _introduce(wish: Wish, project: Project, client: KubeClient, metrics: str) -> None:
    """Say where it will act, before it does."""
    kinds = ", ".join(operator.kind for operator in project.operators)
    where = project.config.watch_namespace or "all namespaces"
    lines = [
        f"operator   {project.name} ({kinds})",
        f"context    {client.context}",
        f"server     {client.server}",
        f"namespace  {where}",
        f"metrics    {metrics}",
    ]
    if wish.dry_run:
        lines.append("dry run    nothing will be written")
    if project.config.enable_leader_election:
        lines.append("leader election is not in force in this version: run one replica only")
    for line in lines:
        click.echo(line, err=True)


@dataclass(frozen=True, slots=True)
class _Reload:
    """Takes over an edited `autopilot-operator.yaml`, as far as that goes without a restart."""

    project: Project
    runtime: Runtime
    samples: Poller

    def __call__(self, config: OperatorConfig) -> None:
        self.samples.default_interval = config.work_interval.total_seconds()
        self.runtime.reload(
            config=config.config,
            work_interval=config.work_interval,
            log_level=config.logging_level,
            guardrails=config.guardrails,
        )
        fixed = ("watch_namespace", "metrics_addr", "mesh_provider", "control_plane_ns")
        before = self.project.config
        later = [name for name in fixed if getattr(config, name) != getattr(before, name)]
        if later:
            _log.warning("takes effect at the next start", extra=logs.fields(changed=later))


async def until_stopped(runtime: Runtime, watch: ConfigWatch[Any] | None = None) -> None:
    """Run until SIGINT or SIGTERM.

    Args:
        runtime: What runs.
        watch: Watched beside it; None for nothing.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if stop.is_set():
            # Asked twice. Every sync may be cut anywhere: the next start goes on from there.
            os._exit(130)
        click.echo("stopping: running syncs are finished first; once more ends at once", err=True)
        stop.set()

    loop.add_signal_handler(signal.SIGINT, ask)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    watching = asyncio.create_task(watch.run(), name="configuration") if watch else None
    try:
        await runtime.run(stop)
    finally:
        if watching is not None:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
