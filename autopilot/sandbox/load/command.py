"""The load generator as a process of its own, so that its pace depends on nobody else's loop."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from autopilot.sandbox.load.generator import LoadGenerator, Target
from autopilot.sandbox.load.stats import Record, quantile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FLUSH_SECONDS = 0.1


class RecordFile:
    """Records as NDJSON, bounded: a full file becomes `FILE.1`, replacing the one before."""

    def __init__(self, path: Path | None, *, max_bytes: int) -> None:
        self._path = path
        self._max = max_bytes
        self._lines: list[str] = []
        self._written = 0
        self._file: IO[str] = sys.stdout if path is None else path.open("a", encoding="utf-8")

    def add(self, record: Record) -> None:
        """Keep a record for the next flush."""
        self._lines.append(json.dumps(record.encode(), separators=(",", ":")))

    def flush(self) -> None:
        """Write what was added; whole lines only."""
        if not self._lines:
            return
        text = "\n".join(self._lines) + "\n"
        self._lines.clear()
        self._file.write(text)
        self._file.flush()
        self._written += len(text)
        if self._path is not None and self._written > self._max:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("a", encoding="utf-8")
            self._written = 0

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        if self._path is not None:
            self._file.close()


def read(path: Path) -> Iterator[Record]:
    """The records of a file that `RecordFile` wrote, its older half first.

    A last line that is still being written is left out.
    """
    for part in (path.with_name(path.name + ".1"), path):
        if not part.exists():
            continue
        with part.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield Record(*json.loads(line))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m autopilot.sandbox.load", description=__doc__)
    parser.add_argument("--url", required=True, help="http://127.0.0.1:PORT/path")
    parser.add_argument("--host", default="", help="the Host header (default: the URL's)")
    parser.add_argument("--rate", type=float, default=240.0, help="requests a second")
    parser.add_argument("--connections", type=int, default=64, help="the most open at once")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds for one request")
    parser.add_argument("--duration", type=float, help="seconds (default: until a signal)")
    parser.add_argument("--out", default="-", help="a file for the records (default: stdout)")
    parser.add_argument("--max-bytes", type=int, default=64_000_000, help="per file of records")
    return parser.parse_args(argv)


async def _run(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    path = None if options.out == "-" else Path(options.out)
    out = RecordFile(path, max_bytes=options.max_bytes)
    target = Target(options.url, options.host, options.rate, options.connections, options.timeout)
    generator = LoadGenerator(target, kept=200_000, sink=out.add)
    end = loop.time() + options.duration if options.duration else None
    await generator.start()
    while not stop.is_set() and (end is None or loop.time() < end):
        await asyncio.sleep(FLUSH_SECONDS)
        out.flush()
    await generator.stop()
    out.close()
    _say(generator)


def _say(generator: LoadGenerator) -> None:
    counted = generator.totals()
    slow = quantile(generator.records, 0.99)
    tail = "" if slow is None else f" · p99 {slow * 1000:.1f} ms"
    sys.stderr.write(f"{counted.failed:,} of {counted.requests:,} requests failed{tail}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until the time is over or a signal comes; 2 for arguments that make no sense."""
    options = _arguments(argv)
    if options.rate <= 0 or options.connections <= 0 or options.timeout <= 0:
        sys.stderr.write("--rate, --connections and --timeout must be above zero\n")
        return 2
    try:
        asyncio.run(_run(options))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
