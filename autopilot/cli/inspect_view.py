"""What `autopilot inspect` prints for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from autopilot.base import durations
from autopilot.cli.page import Page
from autopilot.verdict.units import Unit, render

if TYPE_CHECKING:
    from rich.console import Console

    from autopilot.rules.inspect_about import About
    from autopilot.rules.inspect_holds import Hold
    from autopilot.rules.inspect_model import Inspection, SignalSeen
    from autopilot.rules.inspect_routes import Policy, Routing

_EFFECTS = {"hazard": "red", "protection": "green", "owned": "cyan", "broken": "bold red"}


def show(found: Inspection, console: Console | None = None, now: datetime | None = None) -> None:
    """Print an inspection.

    Args:
        found: What was found out.
        console: Where to; standard output if left out.
        now: For ages; the present if left out.
    """
    page = Page(console)
    now = now or datetime.now(UTC)
    _head(page, found)
    _guards(page, found)
    _signals(page, found.signals, found.unknown)
    page.section("Routes", "what routes it")
    for routing in found.routes:
        _routing(page, routing)
    if not found.routes:
        page.line("none: every request goes to the service itself", "dim")
    if found.leads:
        page.section("Led here", "by other hosts' routes, and mirrors")
        for lead in found.leads:
            page.fact(
                f"{lead.how} of {', '.join(lead.hosts)}", f"{lead.object}, route {lead.route}"
            )
    if found.calls:
        page.section("As a caller", "routes that are there for its own requests")
        for call in found.calls:
            page.line(call)
    if found.policies:
        page.section("Destination rules")
        for policy in found.policies:
            _policy(page, policy)
    _workloads(page, found)
    _holds(page, found.holds, now)
    _about(page, found.about, now)
    if found.unknown:
        page.section("Unknown", "couldn't be read")
        for what, why in found.unknown.items():
            page.fact(what, why, "yellow")


def _head(page: Page, found: Inspection) -> None:
    service = found.service
    page.title(f"Service {service.namespace}/{service.name}")
    ports = ", ".join(service.ports) or "none"
    page.fact("ports", ports)
    if service.ready is None:
        page.fact("endpoints", "unknown", "yellow")
    else:
        zones = ", ".join(f"{zone} {count}" for zone, count in service.zones.items())
        text = f"{service.ready} of {service.endpoints} ready" + (f" ({zones})" if zones else "")
        page.fact("endpoints", text, "" if service.ready else "bold red")
    routed = "virtualservices.networking.istio.io" not in found.unknown or found.routes
    split = ", ".join(f"{name} {share} %" for name, share in found.split.items())
    page.fact("requests go", f"to {split}" if routed else "unknown", "" if routed else "yellow")


def _guards(page: Page, found: Inspection) -> None:
    guards = found.guards
    if guards.halted:
        page.line(guards.halted, "bold red")
    if guards.opted_out:
        page.fact("opted out", f"by an annotation on {', '.join(guards.opted_out)}", "yellow")
    if guards.allow_from:
        page.fact("allows", f"rules of other namespaces: {guards.allow_from}")


def _signals(page: Page, signals: tuple[SignalSeen, ...], unknown: object) -> None:
    if not signals:
        return
    page.section("Signals", "what its callers got in the last minute")
    for seen in signals:
        value = render(seen.value, Unit(seen.unit))
        if seen.value is None:
            page.fact(seen.name, f"unknown: {seen.why}", "yellow")
            continue
        age = "" if seen.age is None else f"{durations.render(round(seen.age))} ago"
        count = "" if seen.requests is None else f"{seen.requests:.0f} requests"
        page.fact(seen.name, f"{value:<10}", note=", ".join(filter(None, (count, age))))


def _routing(page: Page, routing: Routing) -> None:
    for_whom = f" for {', '.join(routing.gateways)}" if routing.gateways else ""
    seen = f" exported to {', '.join(routing.export_to)}" if routing.export_to else ""
    page.line(f"{routing.object}{for_whom}{seen}", "bold", note=f"by {routing.owner}")
    for route in routing.routes:
        called = route.name or f"http[{route.index}]"
        to = ", ".join(f"{name} {share}" for name, share in route.to.items())
        parts = [f"→ {to}"] if to else []
        parts += [f"{key}: {text}" for key, text in route.also.items()]
        style = "cyan" if route.inserted else ""
        page.item(called, route.match, "; ".join(parts) or "→ nowhere", style)
    if not routing.routes:
        page.line("  no HTTP routes", "dim")


def _policy(page: Page, policy: Policy) -> None:
    page.line(policy.object, "bold", note=f"by {policy.owner}")
    for name, labels in policy.subsets.items():
        page.fact(f"  subset {name}", labels)
    for key, text in policy.policy.items():
        page.fact(f"  {key}", text)


def _workloads(page: Page, found: Inspection) -> None:
    if not found.workloads:
        return
    page.section("Workloads")
    for each in found.workloads:
        text = f"{each.ready} of {each.replicas} ready"
        page.fact(f"Deployment {each.name}", text, "" if each.ready >= each.replicas else "yellow")
        for scaler in each.scalers:
            page.fact("  scaled by", scaler)


def _holds(page: Page, holds: tuple[Hold, ...], now: datetime) -> None:
    page.section("Held", "by whom, since when, before → after")
    for hold in holds:
        show_hold(page, hold, now)
    if not holds:
        page.line("nothing", "dim")


def show_hold(page: Page, hold: Hold, now: datetime) -> None:
    """Print one hold with its fields."""
    since = "" if hold.since is None else f" for {ago(hold.since, now)}"
    style = _EFFECTS.get(hold.effect, "")
    what = f"{hold.effect} {hold.action}".strip()
    page.line(f"{hold.object}", "bold", note=f"{what} of {hold.holder}{since}", note_style=style)
    if hold.deadline is not None:
        page.fact("  until", hold.deadline.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))
    if hold.where:
        page.fact("  on", hold.where)
    for field in hold.fields:
        change = f"{field.before} → {field.after}" if field.field else field.after
        page.fact(f"  {_field(field.field)}", change)
        if not field.stands:
            page.fact("", f"but now {field.now}: somebody else changed it", "yellow")
    if hold.problem:
        page.fact("  problem", hold.problem, "red")


def _field(pointer: str) -> str:
    """A JSON pointer as people write paths; an inserted route has none."""
    return pointer.removeprefix("/spec").strip("/").replace("/", ".") or "inserted"


def _about(page: Page, about: tuple[About, ...], now: datetime) -> None:
    page.section("Rules and others", "about it")
    for each in about:
        since = "" if each.since is None else f" for {ago(each.since, now)}"
        state = f"{each.phase or 'no phase yet'}{since}"
        if each.mode == "observe":
            state = f"observes; would be {each.would_be or 'in its initial phase'}"
        name = f"{each.kind} {each.namespace}/{each.name}"
        page.line(name, "bold", note=state + (", paused" if each.paused else ""))
        page.line(f"  {', '.join(each.why)}", "dim")
        for trouble in each.troubles:
            page.line(f"  {trouble}", "yellow")
    if not about:
        page.line("none", "dim")


def ago(at: datetime, now: datetime) -> str:
    """A time since in at most two units: `2h5m`, `3d4h`."""
    seconds = max(0, int((now - at).total_seconds()))
    if seconds >= 86_400:
        return f"{seconds // 86_400}d{seconds % 86_400 // 3600}h"
    if seconds >= 3600:
        seconds -= seconds % 60
    return durations.render(seconds)
