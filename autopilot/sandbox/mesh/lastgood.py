"""What stands in for an object that can't be carried out: its last version that could.

Kept in a file, so that a restart finds the same stand-ins.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh.check import problems
from autopilot.sandbox.mesh.translate import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Body = dict[str, Any]


class LastGood:
    """Remembers, by uid, the spec that Envoy took and the one that it refused.

    Args:
        file: Where to keep it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._good: dict[str, Body] = {}
        self._refused: dict[str, tuple[Body, str]] = {}
        if file.exists():
            self._good = json.loads(file.read_text())

    def standing(self, bodies: Iterable[Body]) -> tuple[list[Body], list[Notice]]:
        """The bodies to carry out, and why some were replaced or left out."""
        found, notices = [], []
        for body in bodies:
            uid = _uid(body)
            wrong = "; ".join(problems(body))
            refused = self._refused.get(uid)
            if wrong:
                reason = "Invalid"
            elif refused and refused[0] == body.get("spec"):
                reason, wrong = "RejectedByEnvoy", refused[1]
            else:
                found.append(body)
                continue
            good = self._good.get(uid)
            kept = "the version before it stands" if good else "it has no effect"
            notices.append(Notice(body, reason, f"{wrong}; {kept}"))
            if good:
                found.append({**body, "spec": good})
        return found, notices

    def changed(self, bodies: Iterable[Body]) -> list[Body]:
        """Those that differ from what Envoy took last, the oldest first."""
        different = [body for body in bodies if self._good.get(_uid(body)) != body.get("spec")]
        return sorted(different, key=lambda b: str(b["metadata"].get("creationTimestamp", "")))

    def before(self, bodies: Iterable[Body], changed: Iterable[Body]) -> list[Body]:
        """The bodies, with each changed one as Envoy took it last, or left out."""
        new = {_uid(body) for body in changed}
        found = []
        for body in bodies:
            if _uid(body) not in new:
                found.append(body)
            elif good := self._good.get(_uid(body)):
                found.append({**body, "spec": good})
        return found

    def refuse(self, body: Body, reason: str) -> None:
        """Envoy refused this very spec."""
        self._refused[_uid(body)] = (body.get("spec") or {}, reason)

    def accept(self, running: Iterable[Body], declared: Iterable[Body]) -> None:
        """Envoy runs exactly `running`; what is no longer declared is forgotten."""
        good = {_uid(body): body.get("spec") or {} for body in running}
        alive = {_uid(body) for body in declared}
        self._refused = {uid: held for uid, held in self._refused.items() if uid in alive}
        if good != self._good:
            self._good = good
            draft = self._file.with_suffix(".draft")
            draft.write_text(json.dumps(good))
            os.replace(draft, self._file)  # noqa: PTH105


def _uid(body: Body) -> str:
    meta = body["metadata"]
    return str(meta.get("uid") or f"{body.get('kind')}/{meta.get('namespace')}/{meta['name']}")
