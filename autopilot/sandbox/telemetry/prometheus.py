"""One Prometheus process that scrapes Envoy and shows its counters under Istio's names."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import yaml

from autopilot.base import durations
from autopilot.base.errors import TerminalError
from autopilot.sandbox.process import Child, Restartable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCRAPE_INTERVAL = 0.5
"""Seconds."""

_READY = 15.0
_LISTENING = re.compile(r'msg="Listening on" address=127\.0\.0\.1:(\d+)')
_VERSION = re.compile(r"version (\S+)")
_NEVER_EMPTY = (
    "destination_workload",
    "destination_workload_namespace",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
)


class PrometheusProcess(Restartable):
    """The sandbox's Prometheus; started again after a stop it has the same port and data.

    Args:
        directory: Its own; holds configuration, data and log.
        binary: See `fetch.ensure_prometheus`.
        targets: Envoy's admin address (`127.0.0.1:PORT`) by the name of the job.
        scrape_interval: Seconds; also the time-out of a scrape.
    """

    def __init__(
        self,
        directory: Path,
        binary: Path,
        targets: Mapping[str, str],
        scrape_interval: float = SCRAPE_INTERVAL,
    ) -> None:
        super().__init__(directory, "prometheus.log")
        self._binary = binary
        self._targets = dict(targets)
        self._interval = scrape_interval
        self._port = 0
        self._version = ""

    @property
    def url(self) -> str:
        """Where it answers; known once started."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def version(self) -> str:
        """Like `2.42.0`."""
        if not self._version:
            said = subprocess.run(
                [str(self._binary), "--version"],
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
            )
            found = _VERSION.search(said.stdout + said.stderr)
            self._version = found.group(1).partition("+")[0] if found else "unknown"
        return self._version

    async def start(self) -> None:
        """Start it and wait until it answers queries.

        The first sample follows 5 to 6 seconds later: Prometheus itself waits 5 s before it acts
        on its first list of targets.

        Raises:
            TerminalError: It can't start; the message says why.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "prometheus.yml"
        config.write_text(yaml.safe_dump(configuration(self._targets, self._interval)))
        offset = self.log.stat().st_size if self.log.exists() else 0
        await self._launch(
            [
                *(str(self._binary), f"--config.file={config}"),
                f"--storage.tsdb.path={self.directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                *("--storage.tsdb.retention.time=1h", "--web.enable-lifecycle"),
            ],
            lambda child: self._wait_ready(child, offset),
        )

    async def stop(self) -> None:
        """End it; its data stay."""
        await self._end()

    async def _wait_ready(self, child: Child, offset: int) -> None:
        deadline = time.monotonic() + _READY
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while time.monotonic() < deadline:
                child.check()
                if not self._port:
                    self._port = _listening(self.log, offset)
                if self._port and await _answers(session, f"{self.url}/-/ready"):
                    return
                await asyncio.sleep(0.005)
        raise TerminalError(f"Prometheus isn't ready after {_READY:g} s: {child.tail()}")


def configuration(targets: Mapping[str, str], interval: float) -> dict[str, Any]:
    """prometheus.yml: scrape only Istio's counters, without Envoy's prefix.

    A label that Envoy couldn't fill becomes `unknown`, which is Istio's word for it.
    """
    every = durations.render(interval)
    relabel: list[dict[str, Any]] = [
        {
            "source_labels": ["__name__"],
            "regex": "envoy_istio_(.+)",
            "target_label": "__name__",
            "replacement": "istio_${1}",
        }
    ]
    relabel += [
        {
            "source_labels": ["__name__", label],
            "regex": "istio_.+;-?",
            "target_label": label,
            "replacement": "unknown",
        }
        for label in _NEVER_EMPTY
    ]
    return {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": every,
            "evaluation_interval": "1s",
        },
        "scrape_configs": [
            {
                "job_name": job,
                "metrics_path": "/stats/prometheus",
                "params": {"usedonly": [""], "filter": [r"^istio\."]},
                "static_configs": [{"targets": [address]}],
                "metric_relabel_configs": relabel,
            }
            for job, address in targets.items()
        ],
    }


def _listening(log: Path, offset: int) -> int:
    with log.open("rb") as file:
        file.seek(offset)
        found = _LISTENING.search(file.read().decode(errors="replace"))
    return int(found.group(1)) if found else 0


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
