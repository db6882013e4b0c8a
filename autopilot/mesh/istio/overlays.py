"""All overlays of one holder: from actions to steps, pure.

What a holder has and no longer wants is found by the marks on the objects themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.marks import OWNER_UID
from autopilot.kube.ownership import holder_of
from autopilot.mesh.actions import OutlierDetection
from autopilot.mesh.errors import PastDeadline, TargetMissing
from autopilot.mesh.istio.aims import Aims, Wanted, aims_of
from autopilot.mesh.istio.base import (
    DESTINATION_RULES,
    VIRTUAL_SERVICES,
    base_destination_rule,
    base_virtual_service,
)
from autopilot.mesh.istio.destination_rule import lay_rule, nearer, rule_for
from autopilot.mesh.istio.draft import Draft
from autopilot.mesh.istio.hosts import exported, in_mesh, qualify, service_of
from autopilot.mesh.istio.index import Index, key_of
from autopilot.mesh.istio.readiness import SERVICES
from autopilot.mesh.istio.virtual_service import Ask, Layers
from autopilot.mesh.provider import Preview
from autopilot.mesh.steps import MakeBase, Plan, TakeBack
from autopilot.overlay.base import is_base, is_new
from autopilot.overlay.errors import Held
from autopilot.overlay.execute import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from autopilot.base.errors import AutopilotError
    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.actions import Overlaid
    from autopilot.mesh.provider import Ending, Owner, World
    from autopilot.mesh.steps import Step

    Key = tuple[str, str]


def plan_overlays(
    owner: Owner, actions: Sequence[Overlaid], world: World, now: datetime, ending: Ending = ""
) -> Plan:
    """The steps to what is wanted, and away from what isn't any more."""
    drawn = draw(owner, actions, world, now, ending)
    steps: list[Step] = []
    refused = [*drawn.refused]
    for draft in drawn.drafts:
        if draft.live is None and draft.steps:
            steps.append(MakeBase(draft.kind, draft.fresh, f"{draft.target}: made, neutral"))
        steps += draft.steps
        refused += draft.refused
    return Plan((*steps, *drawn.leftovers), tuple(refused), kept=tuple(drawn.kept))


def preview_overlays(
    owner: Owner, actions: Sequence[Overlaid], world: World, now: datetime
) -> list[Preview]:
    """The objects that would be changed; what is refused stays as it is."""
    drafts = draw(owner, actions, world, now).drafts
    return [Preview(d.target, d.live, d.body) for d in drafts if d.steps and d.body != d.live]


@dataclass(slots=True)
class Drawn:
    """What drawing came to.

    Attributes:
        drafts: One for each object that has to do with the holder.
        refused: Why some of what is wanted can't be.
        kept: Protections that stay though nobody wants them.
        leftovers: What earlier undoings left on objects.
    """

    drafts: list[Draft] = field(default_factory=list)
    refused: list[AutopilotError] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    leftovers: list[TakeBack] = field(default_factory=list)


def draw(
    owner: Owner, actions: Sequence[Overlaid], world: World, now: datetime, ending: Ending = ""
) -> Drawn:
    """A draft for each object."""
    drawing = _Drawing(owner, world, now)
    ask = Ask(owner.holder, world, keep=ending == "keep")
    drawn = drawing.drawn
    routed: list[Overlaid] = []
    rules: list[OutlierDetection] = []
    for action in actions:
        deadline = getattr(action, "deadline", None)
        if deadline is not None and deadline <= now:
            past = deadline.isoformat(timespec="seconds")
            drawn.refused.append(PastDeadline(f"the {action.name} ended at {past}: it is undone"))
        elif isinstance(action, OutlierDetection):
            rules.append(action)
        else:
            routed.append(action)
    try:
        for draft, wants in drawing.virtual_services(routed):
            aims = Aims() if _owned(draft, wants) else aims_of(draft, wants, world)
            draft.refused += aims.refused
            layers = Layers(draft, aims, ask)
            layers.lay()
            drawn.kept += layers.kept
            drawn.drafts.append(draft)
    except CacheUnavailable as error:
        drawn.refused.append(error)
    try:
        for draft, tight, instead in drawing.destination_rules(rules):
            drawn.kept += lay_rule(draft, tight, ask, instead)
            drawn.drafts.append(draft)
    except CacheUnavailable as error:
        drawn.refused.append(error)
    return drawn


class _Drawing:
    """Finds the objects, or makes up those that aren't there."""

    def __init__(self, owner: Owner, world: World, now: datetime) -> None:
        self.drawn = Drawn()
        self._owner = owner
        self._world = world
        self._now = now

    def virtual_services(self, actions: Sequence[Overlaid]) -> Iterable[tuple[Draft, list[Wanted]]]:
        """Those that route a host that something is wanted of, or that hold overlays of ours."""
        index = self._index(VIRTUAL_SERVICES, bool(actions))
        wants: dict[Key, list[Wanted]] = {}
        chosen: dict[Key, Body] = {}
        made: dict[Key, Draft] = {}
        for wanted in self._by_host(actions):
            namespace, service = service_of(wanted.host, wanted.home)
            found = index.by_host.get(wanted.host, [])
            for body in found:
                chosen[key_of(body)] = body
                wants.setdefault(key_of(body), []).append(wanted)
            if any(exported(body, namespace) and in_mesh(body) for body in found):
                continue
            if self._exists(namespace, service):
                body = base_virtual_service(namespace, service)
                made[key_of(body)] = self._draft(VIRTUAL_SERVICES, body, made=False)
                wants.setdefault(key_of(body), []).append(wanted)
        self._add_ours(VIRTUAL_SERVICES, index, chosen)
        for key, body in chosen.items():
            made[key] = self._draft(VIRTUAL_SERVICES, body)
        return [(draft, wants.get(key, [])) for key, draft in made.items()]

    def destination_rules(
        self, actions: Sequence[OutlierDetection]
    ) -> Iterable[tuple[Draft, list[OutlierDetection], list[Body]]]:
        """Likewise, each with the rules that some callers go by instead."""
        index = self._index(DESTINATION_RULES, bool(actions))
        held = [key_of(body) for body in index.held_by(self._owner.holder)]
        passing: dict[Key, list[Body]] = {}
        wants: dict[Key, list[OutlierDetection]] = {}
        made: dict[Key, Draft] = {}
        chosen: dict[Key, Body] = {}
        for wanted in self._by_host(actions):
            namespace, service = service_of(wanted.host, wanted.home)
            # What holds an overlay of ours already stays the one, whatever came beside it.
            bodies = index.by_host.get(wanted.host, [])
            body = rule_for([one for one in bodies if key_of(one) in held], wanted.host, namespace)
            body = body or rule_for(bodies, wanted.host, namespace)
            if body is not None:
                chosen[key_of(body)] = body
            elif self._exists(namespace, service):
                body = base_destination_rule(namespace, service)
                made[key_of(body)] = self._draft(DESTINATION_RULES, body, made=False)
            if body is not None:
                tight = [a for a in wanted.actions if isinstance(a, OutlierDetection)]
                wants.setdefault(key_of(body), []).extend(tight)
                passing[key_of(body)] = nearer(bodies, namespace)
        self._add_ours(DESTINATION_RULES, index, chosen)
        for key, body in chosen.items():
            made[key] = self._draft(DESTINATION_RULES, body)
        return [(one, wants.get(key, []), passing.get(key, [])) for key, one in made.items()]

    def _index(self, kind: ResourceType, needed: bool) -> Index:
        found = self._world.derived(kind, Index.of)
        if found is None and needed:
            raise CacheUnavailable(f"{kind.qualified} aren't observed")
        return found or Index()

    def _by_host(self, actions: Sequence[Overlaid]) -> list[Wanted]:
        grouped: dict[tuple[str, str], list[Overlaid]] = {}
        for action in actions:
            home = action.where.namespace or self._owner.namespace
            grouped.setdefault((qualify(action.where.host, home), home), []).append(action)
        return [Wanted(host, home, tuple(found)) for (host, home), found in grouped.items()]

    def _draft(self, kind: ResourceType, body: Body, *, made: bool = True) -> Draft:
        return Draft(kind, body, self._owner.holder, self._now, made=made)

    def _exists(self, namespace: str, service: str) -> bool:
        """Whether a service is there, as far as it can be told; nothing is made for none."""
        try:
            services = self._world.objects(SERVICES, namespace)
        except CacheUnavailable as error:
            # What is undone elsewhere mustn't wait for it.
            self.drawn.refused.append(error)
            return False
        names = {each["metadata"]["name"] for each in services or ()}
        # Of other namespaces the caches may hold nothing.
        unknown = services is None or (namespace != self._owner.namespace and not names)
        if not unknown and service not in names:
            missing = TargetMissing(f"Service {namespace}/{service} isn't there")
            self.drawn.refused.append(missing)
            return False
        return True

    def _add_ours(self, kind: ResourceType, index: Index, chosen: dict[Key, Body]) -> None:
        """Choose other objects with overlays of this holder too; notes what is left over."""
        for body in index.held_by(self._owner.holder):
            chosen.setdefault(key_of(body), body)
        for body in index.bare:
            # A base waits for its first overlay; all else is what an undo left that was killed.
            if key_of(body) in chosen or (is_base(body) and is_new(body, self._now)):
                continue
            target = Target.of(kind, body)
            step = TakeBack(
                target,
                frozenset(),
                self._owner.holder,
                body,
                "neutral",
                f"{target}: what an undo left is finished",
            )
            self.drawn.leftovers.append(step)


def _owned(draft: Draft, wants: Sequence[Wanted]) -> bool:
    """Whether an object belongs to one resource of ours as a whole; notes that."""
    owned = OWNER_UID in (draft.body["metadata"].get("labels") or {})
    if owned and wants:
        draft.refused.append(Held(str(draft.target), holder_of(draft.body)))
    return owned
