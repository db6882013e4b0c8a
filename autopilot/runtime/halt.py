"""Whether operators are halted, as the ConfigMap says that stands above them all.

While that can't be told nothing is written: an operator that starts in the middle of an emergency
mustn't find out too late. Once told, the last word counts until another comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.base.errors import RetryLater
from autopilot.kube.marks import HALT_NAME, HALT_NAMESPACE
from autopilot.kube.selectors import Selection
from autopilot.overlay.halting import CONFIG_MAPS, Order, read_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.kube.cache import Cache
    from autopilot.kube.client import Body
    from autopilot.runtime.caches import Caches

RECHECK = 1.0
"""Seconds until it is looked at again whether everything is halted; a look costs no call."""


class Halted(RetryLater):
    """Nothing may be written while the order stands."""


class Halt:
    """Watches the ConfigMap.

    Args:
        caches: Where its cache is made.
        changed: Called when the order comes, changes or goes.
    """

    def __init__(self, caches: Caches, changed: Callable[[], None]) -> None:
        where = Selection(HALT_NAMESPACE, "", f"metadata.name={HALT_NAME}")
        self._cache: Cache = caches.need(CONFIG_MAPS, where)
        self._cache.on_change(self._take)
        self._changed = changed
        self.order: Order | None = None

    @property
    def unknown(self) -> str:
        """Why it can't be told; empty when it can."""
        return "" if self._cache.synced.is_set() else self._cache.why

    def over(self, namespace: str) -> Order | None:
        """The order that holds for a resource of a namespace, if any.

        Raises:
            Halted: It can't be told.
        """
        if why := self.unknown:
            raise Halted(f"whether everything is halted can't be told: {why}", after=RECHECK)
        order = self.order
        return order if order is not None and order.covers(namespace) else None

    def check(self, namespace: str) -> None:
        """Before a write.

        Raises:
            Halted: An order forbids it, or it can't be told.
        """
        if (order := self.over(namespace)) is not None:
            raise Halted(str(order), after=RECHECK)

    def _take(self, _: Body | None, new: Body | None) -> None:
        self.order = None if new is None else read_order(new)
        self._changed()
