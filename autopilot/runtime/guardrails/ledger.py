"""How many resources are off their initial phase, for a process with many workers at once.

What the caches show is counted; a claim stands for a resource that is about to leave, until its
status says so. Asking and claiming is one step without an await, so two syncs at once can't both
be the last one allowed. Other processes aren't seen until the caches show what they did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autopilot.runtime.record import Key


class Ledger:
    """Counts.

    Args:
        off: The resources that are off their initial phase, as far as caches show.
    """

    def __init__(self, off: Callable[[], Iterable[Key]]) -> None:
        self._off = off
        self._claims: set[Key] = set()

    def others(self, key: Key) -> int:
        """How many resources but this one are off, or about to be."""
        return len({*self._off(), *self._claims} - {key})

    def claim(self, key: Key) -> None:
        """This one is about to leave its initial phase."""
        self._claims.add(key)

    def settle(self, key: Key) -> None:
        """Its status was written, or it doesn't leave after all, or it is gone.

        Not to be called where it isn't known whether the status was written: too many claims hold
        others up for a while, too few let one too many go.
        """
        self._claims.discard(key)
