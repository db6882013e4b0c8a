"""Telling one process from another that was given its number later (Linux, by /proc)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, for good.

    Attributes:
        pid: Its number, which the kernel gives to another one day.
        started: Clock ticks from the machine's boot to its start; with the pid this is unique
            until the next boot.
        boot: Which boot.
    """

    pid: int
    started: int
    boot: str

    @property
    def alive(self) -> bool:
        """Whether this very process is still there; one that nobody has waited for isn't."""
        return identify(self.pid) == self


def identify(pid: int) -> Identity | None:
    """Who has this number now; None for nobody, or for a process that has ended."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # The name, in parentheses, may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    state, started = fields[0], int(fields[19])
    return None if state in {"Z", "X", "x"} else Identity(pid, started, boot)


def text_of(path: Path) -> str:
    """The text of a small file, stripped; empty while there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
