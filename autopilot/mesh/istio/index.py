"""VirtualServices or DestinationRules by host and by who holds overlays on them: pure.

A thousand resources plan over one mesh; each is about a few of its objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.kube.marks import OVERLAID, OVERLAY
from autopilot.kube.ownership import owner_of
from autopilot.mesh.istio.hosts import qualify
from autopilot.overlay.record import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autopilot.kube.client import Body
    from autopilot.overlay.record import Holder

Who = tuple[str, str, str]
"""Kind, namespace and name of a holder: its successor has the same."""


@dataclass(frozen=True, slots=True)
class _Facts:
    body: Body
    hosts: frozenset[str]
    holders: frozenset[Who]
    bare: bool
    owner: str = ""


@dataclass(slots=True)
class Index:
    """The objects of one kind, but for those that are being deleted.

    Attributes:
        by_host: By the hosts (in full) that they are for.
        bare: Those that carry the label of overlays, and none.
    """

    by_host: dict[str, list[Body]] = field(default_factory=dict)
    bare: list[Body] = field(default_factory=list)
    _by_holder: dict[Who, list[Body]] = field(default_factory=dict)
    _by_owner: dict[str, list[Body]] = field(default_factory=dict)
    _facts: dict[tuple[str, str], _Facts] = field(default_factory=dict)

    @classmethod
    def of(cls, bodies: Iterable[Body], before: Index | None = None) -> Index:
        """The index of all objects of a kind.

        Args:
            bodies: The objects.
            before: An earlier one: what hasn't changed since is taken from it.
        """
        known = before._facts if before is not None else {}
        made = cls()
        for body in bodies:
            key = key_of(body)
            facts = known.get(key)
            if facts is None or facts.body is not body:
                facts = _facts(body)
            made._add(key, facts)
        return made

    def held_by(self, holder: Holder) -> list[Body]:
        """Those with overlays of a holder, or of one that it succeeds."""
        return self._by_holder.get((holder.kind, holder.namespace, holder.name), [])

    def owned_by(self, uid: str) -> list[Body]:
        """Those that belong to a resource as a whole."""
        return self._by_owner.get(uid, [])

    def _add(self, key: tuple[str, str], facts: _Facts) -> None:
        self._facts[key] = facts
        for host in facts.hosts:
            self.by_host.setdefault(host, []).append(facts.body)
        for who in facts.holders:
            self._by_holder.setdefault(who, []).append(facts.body)
        if facts.owner:
            self._by_owner.setdefault(facts.owner, []).append(facts.body)
        if facts.bare:
            self.bare.append(facts.body)


def key_of(body: Body) -> tuple[str, str]:
    """Namespace and name."""
    return str(body["metadata"].get("namespace", "")), str(body["metadata"]["name"])


def _facts(body: Body) -> _Facts:
    meta = body["metadata"]
    if meta.get("deletionTimestamp"):
        return _Facts(body, frozenset(), frozenset(), bare=False)
    noted = any(key.startswith(OVERLAY) for key in meta.get("annotations") or {})
    holders = [each.holder for each in read(body).overlays] if noted else []
    return _Facts(
        body,
        frozenset(_hosts(body)),
        frozenset((who.kind, who.namespace, who.name) for who in holders),
        bare=not noted and OVERLAID in (meta.get("labels") or {}),
        owner=owner_of(body) or "",
    )


def _hosts(body: Body) -> Iterator[str]:
    spec, home = body.get("spec") or {}, body["metadata"].get("namespace", "")
    for name in (*(spec.get("hosts") or ()), spec.get("host")):
        if isinstance(name, str) and name:
            yield qualify(name, home)
