"""Traffic that there isn't: what Envoy would count of it, scraped by a real Prometheus.

A request's answer follows from the VirtualServices as they stand at the moment of the scrape, so a
fault is seen to bite, and seen to be gone, as it is in a mesh.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Body = dict[str, Any]

RATE = 100.0
_BUCKETS = ("5", "50", "1000", "5000")
_TEXT = "text/plain; version=0.0.4"


@dataclass
class Shop:
    """A namespace's services and who fails with whom.

    Attributes:
        services: Those that get requests.
        passes_on: The services that fail as the one that they call does.
        faults: By service: the share that is aborted, its status, the share that is delayed.
        quiet: Whether there is no traffic at all.
    """

    services: tuple[str, ...]
    passes_on: dict[str, str] = field(default_factory=dict)
    faults: dict[str, tuple[float, str, float]] = field(default_factory=dict)
    quiet: bool = False

    def take_in(self, routes: list[Body]) -> None:
        """Read the faults in force off VirtualServices."""
        found = {}
        for body in routes:
            for way in body["spec"].get("http", []):
                fault = way.get("fault") or {}
                abort, delay = fault.get("abort") or {}, fault.get("delay") or {}
                if abort or delay:
                    status = str(abort.get("httpStatus", 200))
                    found[body["spec"]["hosts"][0]] = (_share(abort), status, _share(delay))
        self.faults = found

    def answers(self, service: str) -> Iterator[tuple[str, str, float]]:
        """(status, flags, share) of a service's answers, none of a share of zero."""
        abort, status, delay = self.faults.get(service, (0.0, "200", 0.0))
        yield status, "FI", abort
        yield "200", "DI", (1 - abort) * delay
        rest = (1 - abort) * (1 - delay)
        below = self.faults.get(self.passes_on.get(service, ""), (0.0, "200", 0.0))[0]
        yield "500", "-", rest * below
        yield "200", "-", rest * (1 - below)


class Exporter:
    """Envoy's admin interface, as far as Prometheus asks it; counts on at each scrape."""

    def __init__(self) -> None:
        self.shops: dict[str, Shop] = {}
        self._counts: defaultdict[tuple[str, str, str, str], float] = defaultdict(float)
        self._last = time.monotonic()
        self._lock = threading.Lock()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = exporter.scrape().encode()
                self.send_response(200)
                self.send_header("Content-Type", _TEXT)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                # Prometheus hangs up in the middle of a scrape when it is stopped.
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def scrape(self) -> str:
        """Count what has come since the last time, and tell all."""
        with self._lock:
            now = time.monotonic()
            passed, self._last = now - self._last, now
            for namespace, shop in list(self.shops.items()):
                if shop.quiet:
                    continue
                for service in shop.services:
                    for status, flags, share in shop.answers(service):
                        if share > 0:
                            key = (namespace, service, status, flags)
                            self._counts[key] += share * RATE * passed
            return "".join(map(_lines, self._counts.items()))


def _lines(item: tuple[tuple[str, str, str, str], float]) -> str:
    (namespace, service, status, flags), count = item
    aborted = flags == "FI"
    labels = {
        "reporter": "source",
        "source_workload": "client",
        "source_workload_namespace": namespace,
        "source_app": "client",
        "source_version": "unknown",
        "destination_workload": "unknown" if aborted else service,
        "destination_workload_namespace": "unknown" if aborted else namespace,
        "destination_app": "unknown" if aborted else service,
        "destination_version": "unknown" if aborted else "v1",
        "destination_service": f"{service}.{namespace}.svc.cluster.local",
        "destination_service_name": service,
        "destination_service_namespace": namespace,
        "request_protocol": "http",
        "response_code": status,
        "response_flags": flags,
        "grpc_response_status": "",
        "connection_security_policy": "none",
    }
    told = ",".join(f'{key}="{value}"' for key, value in labels.items())
    slow = "1000" if flags == "DI" else "5"
    first = _BUCKETS.index(slow)
    name = "envoy_istio_request_duration_milliseconds"
    rows = [f"envoy_istio_requests_total{{{told}}} {count:.3f}"]
    rows += [
        f'{name}_bucket{{{told},le="{bucket}"}} {count if index >= first else 0:.3f}'
        for index, bucket in enumerate(_BUCKETS)
    ]
    rows.append(f'{name}_bucket{{{told},le="+Inf"}} {count:.3f}')
    rows += [f"{name}_count{{{told}}} {count:.3f}", f"{name}_sum{{{told}}} {count * 3:.3f}"]
    return "\n".join(rows) + "\n"


def _share(fault: Body) -> float:
    return float((fault.get("percentage") or {}).get("value", 0)) / 100
