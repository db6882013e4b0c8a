"""Events: one store behind two APIs, bounded in number and age.

`v1` and `events.k8s.io/v1` show the same objects under different field names; they are kept as
`v1`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.database import Database
    from autopilot.sandbox.apiserver.encoding import Body

STORAGE = "events"
NEW_API = "events.k8s.io/v1"
_NAMES = {  # events.k8s.io -> core
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in _NAMES.items()}


def to_core(body: Body) -> Body:
    """An `events.k8s.io/v1` Event as a `v1` one."""
    return {_NAMES.get(key, key): value for key, value in body.items()} | {"apiVersion": "v1"}


def from_core(body: Body) -> Body:
    """A `v1` Event as an `events.k8s.io/v1` one."""
    return {_BACK.get(key, key): value for key, value in body.items()} | {"apiVersion": NEW_API}


class EventLimit:
    """Forgets old Events when new ones come.

    Args:
        count: At most this many are kept.
        age: None older than this is kept.
    """

    def __init__(self, *, count: int = 2000, age: timedelta = timedelta(hours=1)) -> None:
        self._count = count
        self._age = age
        self._order: dict[tuple[str, str], datetime] = {}

    def added(self, database: Database, namespace: str, name: str, now: datetime) -> None:
        """Note an Event just stored, and drop those beyond the limits."""
        self._order.pop((namespace, name), None)
        self._order[namespace, name] = now
        while self._order:
            oldest, at = next(iter(self._order.items()))
            if len(self._order) <= self._count and now - at <= self._age:
                break
            del self._order[oldest]
            if database.get(STORAGE, *oldest) is not None:
                database.remove(STORAGE, *oldest)
