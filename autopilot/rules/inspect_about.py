"""Which of autopilot's resources are about a service, and why: pure.

Read from the bodies as they are, so that one that doesn't compile is shown all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import parse_time
from autopilot.kube.marks import PAUSED
from autopilot.mesh.istio.hosts import service_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from autopilot.kube.client import Body

_GOALS = {
    "failover": "fails over to it",
    "split": "sends it a share",
    "mirror": "sends it copies",
}
_NAMES = frozenset({"service", "host", "deployment", "workload"})
_REFERENCES = frozenset({"target", "targetRef", "scaleTargetRef", "workloadRef", "serviceRef"})


@dataclass(frozen=True, slots=True)
class About:
    """A resource that is about the service.

    Attributes:
        kind: `Rule`, `Canary` …
        namespace: Its namespace.
        name: Its name.
        why: What it has to do with the service.
        mode: A Rule's `enforce` or `observe`; empty for other kinds.
        phase: Its phase; empty where it has none yet.
        since: When it entered that phase.
        would_be: The phase that an observing rule would be in.
        troubles: Conditions that want a person's eye, for people.
        paused: Whether its annotation holds it.
    """

    kind: str
    namespace: str
    name: str
    why: tuple[str, ...]
    mode: str = ""
    phase: str = ""
    since: datetime | None = None
    would_be: str = ""
    troubles: tuple[str, ...] = ()
    paused: bool = False


def about(
    resources: Iterable[Body],
    service: tuple[str, str],
    workloads: Collection[str],
    holders: Mapping[str, Collection[str]],
) -> list[About]:
    """The resources that have to do with a service.

    Args:
        resources: Rules and resources of other kinds with phases.
        service: Namespace and name.
        workloads: Names of the Deployments behind it, in its namespace.
        holders: What of the service's objects each resource (`Kind ns/name`) holds or owns.
    """
    found = []
    for body in resources:
        meta, spec = body["metadata"], body.get("spec") or {}
        if body.get("kind") == "Rule":
            why = list(dict.fromkeys(_rule(spec, meta.get("namespace", ""), service)))
        else:
            why = list(dict.fromkeys(_named(spec, meta.get("namespace", ""), service, workloads)))
        who = f"{body.get('kind')} {meta.get('namespace', '')}/{meta['name']}"
        why += [f"holds {what}" for what in holders.get(who, ())]
        if why:
            found.append(_about(body, tuple(why)))
    return sorted(found, key=lambda one: (one.kind != "Rule", one.kind, one.namespace, one.name))


def _about(body: Body, why: tuple[str, ...]) -> About:
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    rule = body.get("kind") == "Rule"
    paused = (meta.get("annotations") or {}).get(PAUSED)
    return About(
        kind=str(body.get("kind")),
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        why=why,
        mode=str(spec.get("mode") or "enforce") if rule else "",
        phase=str(status.get("phase") or ""),
        since=parse_time(status.get("phaseSince")),
        would_be=_would_be(status.get("wouldBe")),
        troubles=tuple(troubles(status.get("conditions"))),
        paused=paused is not None and paused != "false",
    )


_GENERAL = ("not ready", "Stalled")


def troubles(conditions: Any) -> Iterator[str]:
    """Conditions that say that something isn't as it should be: `Latched since … : why`.

    `Ready` troubles when it is False; any other type when it is True, as kstatus has it. What
    several say in the same words is said once, by the one that names it best.
    """
    found: dict[str, str] = {}
    for each in conditions if isinstance(conditions, list) else ():
        if not isinstance(each, dict):
            continue
        kind, status = str(each.get("type")), each.get("status")
        if status != ("False" if kind == "Ready" else "True"):
            continue
        said = str(each.get("message") or each.get("reason") or "")
        if said not in found or found[said] in _GENERAL:
            found[said] = "not ready" if kind == "Ready" else kind
    for said, kind in found.items():
        yield f"{kind}: {said}".removesuffix(": ")


def _would_be(kept: Any) -> str:
    if isinstance(kept, dict):
        return str(kept.get("phase") or "")
    return str(kept or "")


def _rule(spec: Body, home: str, service: tuple[str, str]) -> Iterator[str]:
    target = spec.get("target") or {}
    there = str(target.get("namespace") or home) if isinstance(target, dict) else home
    if isinstance(target, dict) and _means(target.get("service"), there, service):
        yield "targets it"
    if isinstance(target, dict) and service[1] in (target.get("from") or ()):
        yield "is about its calls"
    yield from _mentions(spec, there, service)


def _mentions(value: Any, there: str, service: tuple[str, str]) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _mentions(each, there, service)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key in _GOALS and isinstance(inner, dict):
            shares = inner.get("weights")
            names = [inner.get("to"), *(shares if isinstance(shares, dict) else ())]
            if any(_means(name, there, service) for name in names):
                yield _GOALS[key]
        elif key == "ready" and _means(inner, there, service):
            yield "counts its ready endpoints"
        elif key == "backend" and _means(inner, there, service):
            yield "reads its signals"
        yield from _mentions(inner, there, service)


def _named(
    value: Any, there: str, service: tuple[str, str], workloads: Collection[str]
) -> Iterator[str]:
    """Names of the service or its workloads, where resources of other kinds say what they mean."""
    if isinstance(value, list):
        for each in value:
            yield from _named(each, there, service, workloads)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        named = inner.get("name") if key in _REFERENCES and isinstance(inner, dict) else inner
        if key in _NAMES | _REFERENCES and isinstance(named, str):
            if key not in {"deployment", "workload"} and _means(named, there, service):
                yield "names it"
            elif there == service[0] and named in workloads:
                yield f"names its Deployment {named}"
        yield from _named(inner, there, service, workloads)


def _means(name: Any, there: str, service: tuple[str, str]) -> bool:
    """Whether `service` or `service/subset`, written in a namespace, is the service."""
    return isinstance(name, str) and service_of(name.partition("/")[0], there) == service
