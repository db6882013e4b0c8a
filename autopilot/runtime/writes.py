"""All writes of one operator, in their one safe order.

(1) status that outputs follow from, (2) outputs and actions, (3) phase and conditions. Between any
two the process may be killed: the next sync finds the same inputs and does what is left. A failed
(1) never holds up what moves traffic back.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.base.logs import fields
from autopilot.kube.client import ApiError, NotFound, Unavailable
from autopilot.kube.differ import EVERYTHING, changed
from autopilot.kube.marks import FINALIZER, OWNER, OWNER_UID
from autopilot.kube.ownership import describe, owner_text, ownership
from autopilot.kube.store import key_of
from autopilot.mesh.steps import Plan
from autopilot.runtime.acting import split_plan
from autopilot.runtime.guardrails.steps import namespace_of
from autopilot.runtime.status import merged
from autopilot.runtime.view import stored_tick

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autopilot.base.errors import AutopilotError
    from autopilot.kube.apply import Applier, Outcome
    from autopilot.kube.cache import Cache
    from autopilot.kube.client import Body, KubeClient
    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.actions import Action
    from autopilot.overlay.record import Overlay
    from autopilot.runtime.acting import Acting
    from autopilot.runtime.caches import Caches
    from autopilot.runtime.outputs import OutputSet
    from autopilot.runtime.result import Ending

PATIENCE = 2.0
"""Seconds that step (1) may keep a move back waiting; ordinary writes take milliseconds."""

_log = logging.getLogger("autopilot.writes")


@dataclass(slots=True)
class Written:
    """What was changed.

    Attributes:
        changes: Each in a few words.
        repairs: What a foreign hand had changed and was put back, each in a few words.
        first: Whether step (1) was written: then the tick of this sync is used up.
        tick: The stored tick after it.
        unsure: The patch of a step (1) that may have been written: no answer came.
        outputs: How many outputs were written or deleted.
        mesh: How many writes the actions took.
        behind: Whether a move back is still to be made.
    """

    changes: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    first: bool = False
    tick: str | None = None
    unsure: Mapping[str, Any] | None = None
    outputs: int = 0
    mesh: int = 0
    behind: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a decision asks for, besides phase and conditions.

    Attributes:
        status: The merge patch of step (1); empty for none.
        along: What of step (3) is written with it, as nothing comes in between.
        outputs: The kinds that the worker spoke of.
        plan: What its actions come to; see `Writer.plan`.
        finalizer: Whether the resource has to carry our finalizer before anything is written.
    """

    status: Mapping[str, Any]
    outputs: tuple[OutputSet, ...] = ()
    plan: Plan = field(default_factory=Plan)
    finalizer: bool = False
    along: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Means:
    """What a writer writes with.

    Attributes:
        operator: The operator's name.
        kind: The primary kind.
        client: The API.
        manager: The field manager.
        caches: Shown every answer.
        owned: The caches of this operator's outputs, by kind.
        applier: For outputs.
        acting: For actions; None where no phase declares any.
        dry_run: Write nothing.
        before_write: Called with its namespace before each write of an output, and of a plan
            before any of it; raises to stop it.
    """

    operator: str
    kind: ResourceType
    client: KubeClient
    manager: str
    caches: Caches
    owned: Mapping[ResourceType, Cache]
    applier: Applier
    acting: Acting | None = None
    dry_run: bool = False
    before_write: Callable[[str], None] | None = None


class Writer:
    """Writes for one operator.

    Args:
        means: See `Means`.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._said: dict[tuple[str, str], tuple[str, ...]] = {}

    def plan(self, body: Body, actions: Sequence[Action] | None, ending: Ending = "") -> Plan:
        """What actions come to: single writes, none of which is made yet.

        Args:
            body: The resource.
            actions: All that it wants; None leaves what stands.
            ending: What becomes of what it holds and no longer wants.

        Raises:
            CacheUnavailable: It can't be told what is there.
        """
        if actions is None or self._means.acting is None:
            return Plan()
        return self._means.acting.plan(body, actions, ending)

    async def carry_out(self, body: Body, wanted: Wanted, written: Written) -> Body:
        """Steps (1) and (2).

        Args:
            body: The resource.
            wanted: What is asked for.
            written: Told of each change as soon as it is made, so that it is known even when a
                later one fails.

        Returns:
            The resource after (1).

        Raises:
            ApiError: A write failed; those after it were not made, but for moves back.
        """
        self._allow(wanted.plan)
        back, rest = split_plan(wanted.plan)
        try:
            async with asyncio.timeout(PATIENCE if back.steps else None):
                body = await self._first(body, wanted, written)
        except TimeoutError as error:
            written.behind = bool(await self._act(back, written))
            raise Unavailable(0, "Timeout", "the status wasn't written in time") from error
        except NotFound:
            raise
        except ApiError:
            written.behind = bool(await self._act(back, written))
            raise
        await self._move_back(back, written)
        for outputs in wanted.outputs:
            await self._apply(body, outputs, written)
        failed = await self._act(rest, written)
        if failed:
            raise failed[0]
        for outputs in wanted.outputs:
            # Last: traffic has left by now what is about to go.
            await self._prune(body, outputs, written)
        return body

    async def use_up(self, body: Body, names: Sequence[str]) -> Body:
        """Take annotations off the resource that have done what they were put there for.

        Raises:
            Conflict: The resource has changed since it was read.
        """
        means, meta = self._means, body["metadata"]
        gone = dict.fromkeys(name for name in names if name in (meta.get("annotations") or {}))
        if not gone:
            return body
        if means.dry_run:
            self._say(body, "annotations", {"annotations": gone})
            return body
        known = {key: meta[key] for key in ("resourceVersion", "uid") if key in meta}
        answer = await means.client.patch(
            means.kind,
            meta["name"],
            meta.get("namespace"),
            {"metadata": {**known, "annotations": gone}},
            manager=means.manager,
        )
        means.caches.observe(means.kind, answer)
        return answer

    def kept(self, body: Body) -> list[tuple[Body, Overlay]]:
        """The protections that the resource holds on objects of others; see `Acting.kept`."""
        acting = self._means.acting
        return acting.kept(body) if acting is not None else []

    async def undo(self, body: Body, written: Written, ending: Ending = "") -> None:
        """Undo what the resource holds, in the safe order.

        Args:
            body: The resource.
            written: Told of each change.
            ending: Whether protections are undone too.

        Raises:
            RetryLater: Not yet: callers would be left without ready pods.
            AutopilotError: A step failed.
        """
        plan = self.plan(body, (), ending)
        self._allow(plan)
        back, rest = split_plan(plan)
        await self._move_back(back, written)
        failed = await self._act(rest, written)
        if failed:
            raise failed[0]

    async def status(self, body: Body, patch: Mapping[str, Any], what: str = "status") -> Body:
        """Change status fields, under the resource's version and uid.

        Raises:
            Conflict: The resource has changed since it was read.
        """
        if not patch:
            return body
        means, meta = self._means, body["metadata"]
        if means.dry_run:
            self._say(body, what, patch)
            return {**body, "status": merged(body.get("status") or {}, patch)}
        known = {key: meta[key] for key in ("resourceVersion", "uid") if key in meta}
        answer = await means.client.patch(
            means.kind,
            meta["name"],
            meta.get("namespace"),
            {"metadata": known, "status": dict(patch)},
            subresource="status",
            manager=means.manager,
        )
        means.caches.observe(means.kind, answer)
        return answer

    async def hold(self, body: Body, *, finalizer: bool) -> Body:
        """Put our finalizer on the resource, or take it off.

        Raises:
            Conflict: The resource has changed since it was read.
        """
        means, meta = self._means, body["metadata"]
        present = [str(each) for each in meta.get("finalizers") or []]
        wanted = [each for each in present if each != FINALIZER] + [FINALIZER] * finalizer
        if (FINALIZER in present) == finalizer:
            return body
        if means.dry_run:
            self._say(body, "finalizers", {"finalizers": wanted})
            return {**body, "metadata": {**meta, "finalizers": wanted}}
        known = {key: meta[key] for key in ("resourceVersion", "uid") if key in meta}
        answer = await means.client.patch(
            means.kind,
            meta["name"],
            meta.get("namespace"),
            {"metadata": {**known, "finalizers": wanted}},
            manager=means.manager,
        )
        if finalizer or wanted:
            means.caches.observe(means.kind, answer)
        return answer

    def _say(self, body: Body, what: str, patch: Mapping[str, Any]) -> None:
        """Log what a dry run leaves unwritten; the same fields of a resource once."""
        key, names = (describe(body), what), tuple(sorted(patch))
        level = logging.DEBUG if self._said.get(key) == names else logging.INFO
        self._said[key] = names
        _log.log(level, "would write", extra=fields(resource=key[0], what=what, patch=patch))

    async def _move_back(self, back: Plan, written: Written) -> None:
        # Outputs and the rest may take away what the traffic is still on.
        failed = await self._act(back, written)
        if failed:
            written.behind = True
            raise failed[0]

    async def _first(self, body: Body, wanted: Wanted, written: Written) -> Body:
        if wanted.finalizer:
            body = await self.hold(body, finalizer=True)
        if wanted.status:
            patch = {**wanted.status, **wanted.along}
            try:
                body = await self.status(body, patch)
            except ApiError as error:
                written.unsure = wanted.status if error.transient else None
                raise
            written.first, written.tick = True, stored_tick(body)
            names = [name for name in wanted.status if name != "nextTick"]
            written.changes += [f"status: {', '.join(names)}"] * bool(names)
        return body

    async def _act(self, plan: Plan, written: Written) -> list[AutopilotError]:
        acting = self._means.acting
        if acting is None:
            return []
        if self._means.dry_run:
            written.changes += [step.summary for step in plan.changes]
            return list(plan.refused)
        changes, failed = await acting.execute(plan)
        written.mesh += len(changes)
        written.changes += [change.summary for change in changes]
        written.repairs += [change.summary for change in changes if change.repaired]
        return failed

    async def _apply(self, body: Body, outputs: OutputSet, written: Written) -> None:
        means = self._means
        kind = outputs.output.kind
        owner = {"apiVersion": means.kind.api_version, "kind": means.kind.kind, **body}
        for wanted in outputs.bodies:
            meta = wanted["metadata"]
            marks = ownership(
                owner, means.operator, meta.get("namespace"), record=outputs.output.record
            )
            marked = marks.mark(wanted)
            live = means.owned[kind].get(meta.get("namespace"), meta["name"])
            self._check(str(meta.get("namespace") or ""))
            outcome = await means.applier.ensure(kind, marked, live)
            self._note(outcome, live, written)

    async def _prune(self, body: Body, outputs: OutputSet, written: Written) -> None:
        means = self._means
        kind = outputs.output.kind
        home = str(body["metadata"].get("namespace") or "")
        keep = {key_of(wanted) for wanted in outputs.bodies}
        keep |= {(home, name) for name in outputs.kept}
        self._check(str(body["metadata"].get("namespace") or ""))
        gone = []
        for uid, live in self._had(body, outputs).items():
            gone += await means.applier.prune(kind, uid, keep, live)
        written.outputs += len(gone)
        written.changes += [f"{describe(each)}: deleted" for each in gone]

    def _had(self, body: Body, outputs: OutputSet) -> dict[str, list[Body]]:
        """What the resource has of a kind, by the uid that it was made for."""
        cache, uid = self._means.owned[outputs.output.kind], str(body["metadata"]["uid"])
        found = {uid: cache.owned_by(uid)}
        if outputs.output.record:
            meta = body["metadata"]
            name = owner_text({**body, "kind": self._means.kind.kind})
            for each in cache.list(meta.get("namespace")):
                marks = each["metadata"]
                earlier = (marks.get("labels") or {}).get(OWNER_UID, uid)
                if earlier != uid and (marks.get("annotations") or {}).get(OWNER) == name:
                    found.setdefault(earlier, []).append(each)
        return found

    def _check(self, namespace: str) -> None:
        if self._means.before_write is not None:
            self._means.before_write(namespace)

    def _allow(self, plan: Plan) -> None:
        """Nothing of a plan is begun where something of it may not be written."""
        for step in plan.changes:
            self._check(namespace_of(step))

    def _note(self, outcome: Outcome, live: Body | None, written: Written) -> None:
        if not outcome.wrote:
            return
        what = describe(outcome.body)
        paths = outcome.paths
        if self._means.dry_run and live is not None:
            paths = tuple(changed(_plain(outcome.body), _plain(live)))
            if not paths:
                return
        where = "" if paths == (EVERYTHING,) else f" ({', '.join(paths)})"
        summary = f"{what}: {outcome.action}{where}"
        written.outputs += 1
        written.changes.append(summary)
        if outcome.action == "repaired":
            written.repairs.append(summary)


def _plain(body: Body) -> Body:
    """A body without what a server adds to every write."""
    hidden = ("managedFields", "resourceVersion", "generation")
    metadata = {k: v for k, v in body["metadata"].items() if k not in hidden}
    return {**body, "metadata": metadata}
