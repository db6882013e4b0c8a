"""What we own, brought to the state that is wanted, with a write only where something differs.

An object that isn't there is made with POST, which fails where somebody is faster; one that is ours
is applied under its uid, so that the object checked is the object written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from autopilot.base.errors import RetryLater
from autopilot.kube.client import (
    AlreadyExists,
    Body,
    Conflict,
    Invalid,
    KubeClient,
    NotFound,
)
from autopilot.kube.differ import EVERYTHING, changed, differs, drift, project
from autopilot.kube.managers import merged_into_apply, written_by_update
from autopilot.kube.marks import OWNER_UID
from autopilot.kube.ownership import check_ours
from autopilot.kube.store import Key, key_of, newer, uid_of, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from autopilot.kube.kinds import ResourceType

    Observer = Callable[[ResourceType, Body], None]

Action = Literal["unchanged", "created", "updated", "repaired"]

ATTEMPTS = 5
"""How often a race for one object is run before it is left to the back-off."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `ensure` did.

    Attributes:
        action: `repaired` is a write that undid foreign changes only.
        paths: What differed; `.` for the whole object.
        body: The object as it is now, by the server's answer or, if unchanged, as it was given.
    """

    action: Action
    paths: tuple[str, ...]
    body: Body

    @property
    def wrote(self) -> bool:
        """Whether a write was made (or, in a dry run, would have been)."""
        return self.action != "unchanged"


@dataclass(slots=True)
class _Memory:
    applied: Body
    answer: Body
    uid: str
    version: str
    by_update: bool
    """Fields are recorded as ours by the POST: an apply wouldn't remove what it leaves out."""


class Applier:
    """Applies the outputs of one operator.

    Args:
        client: The API.
        manager: The field manager, like `autopilot.canary`.
        dry_run: Ask the server what it would do; nothing is written.
        observe: Told of each answer, so that caches see our writes at once.
        observe_deleted: Told of each deletion that `prune` made.
    """

    def __init__(
        self,
        client: KubeClient,
        manager: str,
        *,
        dry_run: bool = False,
        observe: Observer | None = None,
        observe_deleted: Observer | None = None,
    ) -> None:
        self._client = client
        self._manager = manager
        self._dry_run = dry_run
        self._observe = observe
        self._observe_deleted = observe_deleted
        self._memories: dict[tuple[str, Key], _Memory] = {}

    async def ensure(self, kind: ResourceType, body: Body, live: Body | None) -> Outcome:
        """Bring one object to the wanted state.

        Args:
            kind: Its kind.
            body: What is wanted, marked by `ownership`.
            live: The object as the cache knows it; None when it isn't there.

        Raises:
            NotOurs: The object is somebody else's.
            RetryLater: It is being deleted, or was fought over too often.
            ApiError: A call failed; `Invalid` when the server refuses what is wanted.
        """
        for _ in range(ATTEMPTS):
            try:
                if live is None:
                    return await self._create(kind, body)
                check_ours(body, live)
                return await self._update(kind, body, live)
            except (AlreadyExists, Conflict):
                # Somebody made, or replaced, the object since the cache saw it.
                live = await self._read(kind, body)
            except NotFound:
                if live is None:
                    raise
                live = None
        name = (body.get("metadata") or {}).get("name", "")
        raise RetryLater(f"{kind.qualified} {name} changed hands {ATTEMPTS} times in a row")

    async def prune(
        self, kind: ResourceType, owner_uid: str, keep: Collection[Key], live: Iterable[Body]
    ) -> list[Body]:
        """Delete what this owner has and no longer wants.

        Args:
            kind: Their kind.
            owner_uid: The owner.
            keep: (namespace, name) of what stays; the namespace is empty for cluster-scoped kinds.
            live: Objects as the cache knows them; those of others are passed over.

        Returns:
            What was deleted (or, in a dry run, would have been).
        """
        gone = []
        for body in [*live]:
            meta = body["metadata"]
            ours = (meta.get("labels") or {}).get(OWNER_UID) == owner_uid and kind.matches(body)
            if not ours or key_of(body) in keep or meta.get("deletionTimestamp"):
                continue
            if not self._dry_run and not await self._delete(kind, body):
                continue
            gone.append(body)
        return gone

    def forget(self, kind: ResourceType, namespace: str | None, name: str, uid: str = "") -> None:
        """Let go of what is remembered of an object that is no longer wanted.

        Args:
            kind: Its kind.
            namespace: Its namespace.
            name: Its name.
            uid: Only of this very object; empty for whatever bears the name.
        """
        key = (kind.qualified, (namespace or "", name))
        memory = self._memories.get(key)
        if memory is not None and uid in {"", memory.uid}:
            del self._memories[key]

    async def _create(self, kind: ResourceType, body: Body) -> Outcome:
        answer = await self._client.create(kind, body, manager=self._manager, dry_run=self._dry_run)
        self._learn(kind, body, answer)
        return Outcome("created", (EVERYTHING,), answer)

    async def _update(self, kind: ResourceType, body: Body, live: Body) -> Outcome:
        memory = self._memories.get((kind.qualified, key_of(live)))
        if memory is not None and memory.uid != uid_of(live):
            memory = None
        if memory is None:
            return await self._first(kind, body, live)
        # A cache that lags behind our last answer knows nothing that we don't.
        seen = live if newer(version_of(live), memory.version) else memory.answer
        paths = differs(body, memory.applied, memory.answer, seen)
        if not paths:
            return Outcome("unchanged", (), live)
        if memory.by_update:
            await self._take_fields(kind, live)
        intended = changed(body, memory.applied)
        answer = await self._apply(kind, body, live)
        return Outcome("updated" if intended else "repaired", tuple(paths), answer)

    async def _first(self, kind: ResourceType, body: Body, live: Body) -> Outcome:
        # Nothing is remembered: only the apply itself tells whether anything differed.
        answer = await self._apply(kind, body, live)
        paths = drift(body, answer, live)
        if not paths and (self._dry_run or version_of(answer) == version_of(live)):
            return Outcome("unchanged", (), answer if not self._dry_run else live)
        return Outcome("updated", tuple(paths) or (EVERYTHING,), answer)

    async def _apply(self, kind: ResourceType, body: Body, live: Body) -> Body:
        pinned = {**body, "metadata": {**body["metadata"], "uid": uid_of(live)}}
        answer = await self._send(kind, pinned)
        if written_by_update(answer, self._manager) and not self._dry_run:
            await self._take_fields(kind, live)
            answer = await self._send(kind, pinned)
        self._learn(kind, body, answer)
        return answer

    async def _send(self, kind: ResourceType, body: Body) -> Body:
        return await self._client.apply(
            kind, body, manager=self._manager, force=True, dry_run=self._dry_run
        )

    async def _take_fields(self, kind: ResourceType, live: Body) -> None:
        if self._dry_run:
            return
        meta = live["metadata"]
        found = await self._client.get(kind, meta["name"], meta.get("namespace"))
        patch = merged_into_apply(found, self._manager)
        if patch and uid_of(found) == uid_of(live):
            try:
                await self._client.patch(
                    kind, meta["name"], meta.get("namespace"), patch, manager=self._manager
                )
            except Invalid as error:
                # A `test` that fails: it has changed since the read.
                raise Conflict(409, "Conflict", str(error)) from error

    async def _delete(self, kind: ResourceType, body: Body) -> bool:
        meta = body["metadata"]
        try:
            await self._client.delete(kind, meta["name"], meta.get("namespace"), uid=uid_of(body))
        except NotFound:
            pass
        except Conflict:
            return False
        self.forget(kind, meta.get("namespace"), meta["name"])
        if self._observe_deleted:
            self._observe_deleted(kind, body)
        return True

    async def _read(self, kind: ResourceType, body: Body) -> Body | None:
        meta = body["metadata"]
        try:
            return await self._client.get(kind, meta["name"], meta.get("namespace"))
        except NotFound:
            return None

    def _learn(self, kind: ResourceType, body: Body, answer: Body) -> None:
        if self._dry_run:
            return
        kept = project(body, answer)
        self._memories[kind.qualified, key_of(answer)] = _Memory(
            applied=body,
            answer=kept,
            uid=uid_of(answer),
            version=version_of(answer),
            by_update=written_by_update(answer, self._manager),
        )
        if self._observe:
            self._observe(kind, answer)
