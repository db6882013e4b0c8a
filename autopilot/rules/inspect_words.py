"""Istio's route fields in few words: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.mesh.istio.hosts import CLUSTER_DOMAIN, qualify
from autopilot.overlay.values import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autopilot.kube.client import Body

_MATCHED = ("uri", "method", "authority", "scheme", "port", "sourceNamespace", "gateways")
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Names:
    """How destinations are spelt.

    Attributes:
        home: The namespace of the object that names them; empty to leave them as they are.
        seen: The namespace from which they are looked at.
    """

    home: str = ""
    seen: str = ""

    def of(self, destination: Body) -> str:
        """`service`, `service/subset`; with its namespace where that isn't the seen one."""
        host, subset = str(destination.get("host", "")), destination.get("subset")
        if self.home:
            full = qualify(host, self.home)
            if full.endswith(f".svc.{CLUSTER_DOMAIN}"):
                service, namespace = full.split(".")[:2]
                host = service if namespace == self.seen else f"{service}.{namespace}"
        return f"{host}/{subset}" if subset else host


AS_SPELT = Names()


def destinations_text(entries: Iterable[Any], names: Names = AS_SPELT) -> str:
    """Destinations by weight: `checkout 90, checkout-standby 10`."""
    shares = weights(entries, names)
    if len(shares) == 1:
        return next(iter(shares))
    return ", ".join(f"{name} {weight}" for name, weight in shares.items()) or "nowhere"


def weights(entries: Iterable[Any], names: Names = AS_SPELT) -> dict[str, int]:
    """Weight by destination; Istio gives a single one all, and 0 to one that says nothing."""
    listed = [entry for entry in entries if isinstance(entry, dict)]
    shares: dict[str, int] = {}
    for entry in listed:
        name = names.of(entry.get("destination") or entry)
        weight = entry.get("weight", 100 if len(listed) == 1 else 0)
        shares[name] = shares.get(name, 0) + (weight if isinstance(weight, int) else 0)
    return shares


def route_text(route: Body) -> str:
    """A whole route in one line."""
    parts = [f"for {match_text(route.get('match'))}"]
    if route.get("route"):
        parts.append(f"to {destinations_text(route['route'])}")
    return "; ".join([*parts, *(f"{key}: {text}" for key, text in effects(route, AS_SPELT))])


def effects(route: Body, names: Names) -> Iterator[tuple[str, str]]:
    """What a route does beside leading somewhere, by field."""
    if "timeout" in route:
        yield "timeout", str(route["timeout"])
    if retries := route.get("retries"):
        tries = [f"{retries.get('attempts', 2)} attempts"]
        tries += [f"{retries['perTryTimeout']} each"] if retries.get("perTryTimeout") else []
        tries += [f"on {retries['retryOn']}"] if retries.get("retryOn") else []
        yield "retries", ", ".join(tries)
    fault = route.get("fault") or {}
    if abort := fault.get("abort"):
        status = abort.get("httpStatus") or abort.get("grpcStatus")
        yield "fault", f"{_share(abort, none=0)} aborted with {status}"
    if delay := fault.get("delay"):
        yield "delay", f"{_share(delay, none=0)} delayed by {delay.get('fixedDelay')}"
    for to, share in mirrors(route):
        yield "mirror", f"a copy of {share} to {names.of(to)}"
    if direct := route.get("directResponse"):
        yield "answers", f"{direct.get('status')} at the caller's proxy"
    if redirect := route.get("redirect"):
        yield "redirect", short(redirect)
    if rewrite := route.get("rewrite"):
        yield "rewrite", short(rewrite)
    if delegate := route.get("delegate"):
        yield "delegate", short(delegate)


def mirrors(route: Body) -> Iterator[tuple[Body, str]]:
    """Where copies of its requests go, and how many."""
    for mirror in route.get("mirrors") or ():
        yield mirror.get("destination") or {}, _share(mirror, none=100)
    if mirror := route.get("mirror"):
        part = {"percentage": route["mirrorPercentage"]} if "mirrorPercentage" in route else {}
        yield mirror, _share(part, none=100)


def _share(fault: Body, *, none: float) -> str:
    """Istio: a fault without a percentage concerns no request, a mirror without one all."""
    given = fault.get("percentage")
    value = given.get("value", 0) if isinstance(given, dict) else none
    return f"{value:g} %" if isinstance(value, int | float) else str(value)


def match_text(matches: Any) -> str:
    """Which requests a route is for; `all` where it says nothing."""
    listed = [match for match in matches or () if isinstance(match, dict)]
    texts = [_one_match(match) for match in listed]
    if not listed or any(not text for text in texts):
        return "all"
    text = " or ".join(texts)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _one_match(match: Body) -> str:
    said = [f"{key} {_value(match[key])}" for key in _MATCHED if key in match]
    for key, value in (match.get("headers") or {}).items():
        said.append(f"header {key} {_value(value)}".rstrip())
    for key, value in (match.get("withoutHeaders") or {}).items():
        said.append(f"no header {key} {_value(value)}".rstrip())
    for key, value in (match.get("queryParams") or {}).items():
        said.append(f"parameter {key} {_value(value)}".rstrip())
    if callers := match.get("sourceLabels"):
        said.append("from " + ", ".join(f"{key}={value}" for key, value in callers.items()))
    return ", ".join(said)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        words = {"exact": "{}", "prefix": "{}*", "regex": "~{}"}
        return " ".join(words.get(key, key + " {}").format(text) for key, text in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def short(value: Any) -> str:
    """Any value on one line."""
    text = canonical(value).replace('"', "")
    text = text[1:-1] if text.startswith("{") else text
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
