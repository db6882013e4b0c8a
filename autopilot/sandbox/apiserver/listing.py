"""Lists in pages. A continue token names a snapshot, so that all pages tell of one moment."""

from __future__ import annotations

import base64
import binascii
import json
from collections import OrderedDict
from typing import TYPE_CHECKING

from autopilot.sandbox.apiserver import errors
from autopilot.sandbox.apiserver.encoding import Body, dumps

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.calls import Call
    from autopilot.sandbox.apiserver.core import Core
    from autopilot.sandbox.apiserver.history import Entry

_SNAPSHOTS = 32


class Lister:
    """Answers list requests."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._snapshots: OrderedDict[tuple[str, int], list[Entry]] = OrderedDict()

    def expire(self) -> None:
        """Forget the snapshots: pages that are still to come get 410."""
        self._snapshots.clear()

    def page(self, call: Call) -> tuple[list[Entry], Body]:
        """The entries of one page, and the list's metadata.

        Raises:
            ApiError: 400, 410 for a page of a list that is forgotten, 504 for a future version.
        """
        selection = call.selection()
        token, limit = call.query.get("continue", ""), call.number("limit") or 0
        database, storage = self._core.database, call.kind.storage
        if token:
            version, start, entries = self._resume(storage, token)
        else:
            version, start = database.version, ("", "")
            self._check_version(call, version)
            entries = database.entries(storage, call.namespace)
        if not selection.everything or token:
            entries = [e for e in entries if _key(e) > start and selection.matches(e.body)]
        metadata: Body = {"resourceVersion": str(version)}
        if 0 < limit < len(entries):
            if not token:
                self._snapshots[storage, version] = database.entries(storage)
                while len(self._snapshots) > _SNAPSHOTS:
                    self._snapshots.popitem(last=False)
            metadata["continue"] = _token(version, _key(entries[limit - 1]))
            if selection.everything:
                metadata["remainingItemCount"] = len(entries) - limit
            entries = entries[:limit]
        return entries, metadata

    def _resume(self, storage: str, token: str) -> tuple[int, tuple[str, str], list[Entry]]:
        try:
            data = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            version, start = int(data["rv"]), (str(data["start"][0]), str(data["start"][1]))
        except (binascii.Error, ValueError, KeyError, TypeError, IndexError):
            raise errors.bad_request("continue key is not valid") from None
        entries = self._snapshots.get((storage, version))
        if entries is None:
            raise errors.expired(
                "The provided continue parameter is too old to display a consistent list result. "
                "You must start a new list without the continue parameter."
            )
        return version, start, entries

    def _check_version(self, call: Call, current: int) -> None:
        asked = call.number("resourceVersion")
        match = call.query.get("resourceVersionMatch", "")
        if match and asked is None:
            raise errors.bad_request(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless "
                "resourceVersion is provided"
            )
        if not asked:
            return
        if asked > current:
            message = f"Too large resource version: {asked}, current: {current}"
            raise errors.ApiError(504, "Timeout", message, {"retryAfterSeconds": 1})
        if match == "Exact" and asked < current:
            raise errors.expired(f"The resourceVersion for the provided list is too old: {asked}")


def _key(entry: Entry) -> tuple[str, str]:
    metadata = entry.body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _token(version: int, start: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(dumps({"rv": version, "start": start})).decode().rstrip("=")
