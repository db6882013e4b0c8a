"""What the server does by itself, right after a write: collect, sweep, finalize.

Each write only notes what may need a look; the work itself runs on the next turn of the event
loop, in small portions, and looks at the objects as they are then.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from autopilot.base.logs import fields
from autopilot.sandbox.apiserver import crdrules
from autopilot.sandbox.apiserver.collector import collect
from autopilot.sandbox.apiserver.deletion import FOREGROUND
from autopilot.sandbox.apiserver.errors import ApiError
from autopilot.sandbox.apiserver.sweep import finish_definition, sweep_namespace

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.core import Core
    from autopilot.sandbox.apiserver.history import Change

_log = logging.getLogger(__name__)
_PORTION = 200
Place = tuple[str, str, str]


class Housekeeper:
    """Notes what changed and does what follows from it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._due: dict[tuple[str, Place], None] = {}
        self._scheduled = False

    def notice(self, change: Change) -> None:
        """Note what a write may call for; cheap, called at each."""
        body = change.entry.body
        given = body["metadata"]
        place = (change.storage, given.get("namespace", ""), given["name"])
        if change.type == "DELETED":
            dependents = self._core.database.owned_by(given["uid"])
            if dependents:
                self._core.remember_gone(given["uid"])
            for dependent in dependents:
                self._note("collect", dependent)
        elif given.get("ownerReferences") or "deletionTimestamp" in given:
            self._note("collect", place)
        for reference in given.get("ownerReferences") or ():
            owner = self._core.database.place_of(reference["uid"])
            if owner is not None and self._waits(owner):
                self._note("collect", owner)
        self._notice_containers(change, place)
        if self._due:
            self._schedule()

    def _notice_containers(self, change: Change, place: Place) -> None:
        storage, namespace, _ = place
        ending = "deletionTimestamp" in change.entry.body["metadata"]
        if storage == "namespaces" and ending and change.type != "DELETED":
            self._note("sweep", place)
        if storage == crdrules.STORAGE and ending and change.type != "DELETED":
            self._note("finish", place)
        if change.type != "DELETED":
            return
        if namespace:
            space = self._core.database.get("namespaces", "", namespace)
            if space is not None and "deletionTimestamp" in space.body["metadata"]:
                self._note("sweep", ("namespaces", "", namespace))
        definition = self._core.database.get(crdrules.STORAGE, "", storage)
        if definition is not None and "deletionTimestamp" in definition.body["metadata"]:
            self._note("finish", (crdrules.STORAGE, "", storage))

    def settle(self) -> None:
        """Do all that is due now, and what follows from it, at once."""
        while self._due:
            self._run(len(self._due))

    def _waits(self, place: Place) -> bool:
        entry = self._core.database.get(*place)
        return entry is not None and FOREGROUND in (entry.body["metadata"].get("finalizers") or ())

    def _note(self, what: str, place: Place) -> None:
        self._due[what, place] = None

    def _schedule(self) -> None:
        if self._scheduled:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # outside of a loop, as in a pure test, settle() does the work
        self._scheduled = True
        loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self._run(_PORTION)
        if self._due:
            self._schedule()

    def _run(self, portion: int) -> None:
        for task in list(self._due)[:portion]:
            del self._due[task]
            try:
                self._do(*task)
            except ApiError as error:
                # Somebody was faster, or the object may not go; the next change looks again.
                _log.debug("housekeeping was refused", extra=fields(task=task, error=str(error)))

    def _do(self, what: str, place: Place) -> None:
        if what == "collect":
            collect(self._core, place)
        elif what == "sweep":
            sweep_namespace(self._core, place[2])
        else:
            finish_definition(self._core, place[2])
