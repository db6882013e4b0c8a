"""Whether a resource may act where it wants to: pure.

Its own namespace needs no permission. Another one has to allow it by an annotation, and what can't
be told isn't allowed. Whoever owns a service, or a namespace, can opt out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.kube.marks import ALLOW_FROM, OPT_OUT
from autopilot.runtime.guardrails.judge import NOT_ALLOWED, OPTED_OUT, PROTECTED, Trip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from autopilot.runtime.guardrails.limits import Limits

    Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class About:
    """What a resource wants to act on.

    Attributes:
        home: The resource's own namespace; empty for a cluster-scoped kind.
        namespaces: Of the objects that it writes.
        services: (namespace, name) of the services that it is about, and those it sends to.
        foreign: Namespaces of services that need a permission where they aren't its own.
    """

    home: str
    namespaces: frozenset[str] = frozenset()
    services: frozenset[tuple[str, str]] = frozenset()
    foreign: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of namespaces and services.

    Attributes:
        namespace: A Namespace by name; None where there is none, or it can't be told.
        service: A Service by namespace and name; likewise.
    """

    namespace: Callable[[str], Body | None]
    service: Callable[[str, str], Body | None]


def refusal(about: About, limits: Limits, known: Known) -> Trip | None:
    """Why a resource may not act there; None where it may."""
    places = {*about.namespaces, *(home for home, _ in about.services)}
    for name in sorted(places & limits.protected_namespaces):
        return Trip(PROTECTED, f"the namespace {name} is protected (protectedNamespaces)")
    for home, name in sorted(about.services & limits.protected_services):
        return Trip(PROTECTED, f"the service {home}/{name} is protected (protectedServices)")
    return _opted_out(places, about.services, known) or _foreign(about, known)


def _opted_out(
    places: Iterable[str], services: Iterable[tuple[str, str]], known: Known
) -> Trip | None:
    for name in sorted(places):
        if says(known.namespace(name), OPT_OUT):
            return Trip(OPTED_OUT, f"the namespace {name} opts out ({OPT_OUT})")
    for home, name in sorted(services):
        if says(known.service(home, name), OPT_OUT):
            return Trip(OPTED_OUT, f"the service {home}/{name} opts out ({OPT_OUT})")
    return None


def _foreign(about: About, known: Known) -> Trip | None:
    if not about.home:
        return None
    for name in sorted(about.foreign - {about.home}):
        found = known.namespace(name)
        allowed = "" if found is None else str(_annotations(found).get(ALLOW_FROM, ""))
        names = {each.strip() for each in allowed.split(",")}
        if not names & {about.home, "*"}:
            why = f"it says {allowed!r}" if allowed else "it has none"
            if found is None:
                why = "it isn't there, or can't be read"
            return Trip(
                NOT_ALLOWED,
                f"{about.home} may not act in the namespace {name}: annotate it with "
                f"{ALLOW_FROM}: {about.home} ({why})",
            )
    return None


def says(body: Body | None, annotation: str) -> bool:
    """Whether an annotation is set to anything but `false`."""
    value = None if body is None else _annotations(body).get(annotation)
    return value is not None and str(value).strip().lower() != "false"


def _annotations(body: Body) -> Mapping[str, Any]:
    return body["metadata"].get("annotations") or {}
