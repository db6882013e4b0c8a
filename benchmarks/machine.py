"""What processes cost, and what else the machine has to do, as Linux tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process has used so far.

    Attributes:
        cpu: Seconds of CPU, its children's left out.
        rss: Megabytes (10⁶ bytes) of memory that it holds, shared libraries included.
        private: Megabytes of these that it shares with nobody.
    """

    cpu: float
    rss: float
    private: float


def cost(pid: int) -> Cost:
    """What a process has used so far.

    Raises:
        FileNotFoundError: There is no such process.
    """
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(after_name[11]) + int(after_name[12])
    sizes: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size, *_ = line.split()
        sizes[name] = int(size) * 1024
    private = sizes["Private_Clean:"] + sizes["Private_Dirty:"]
    return Cost(ticks / os.sysconf("SC_CLK_TCK"), sizes["Rss:"] / 1e6, private / 1e6)


def surroundings() -> str:
    """The machine and its load, in one line."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} CPUs, load {load}"
