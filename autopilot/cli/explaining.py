"""Fetches what `autopilot explain` shows: a resource, its signals, and what it holds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.base.clock import SystemClock
from autopilot.base.errors import InvalidInput, TerminalError
from autopilot.base.timestamps import parse_time
from autopilot.cli.absent import absent
from autopilot.cli.cluster import NO_METRICS
from autopilot.cli.inspecting import halted, kinds_of_ours
from autopilot.cli.planning import fetch_rule, ready_endpoints
from autopilot.cli.reading import PATIENCE, Reader, asked
from autopilot.kube.client import NotFound
from autopilot.kube.http import connect
from autopilot.kube.kinds import KNOWN
from autopilot.kube.marks import PAUSED
from autopilot.mesh.istio.base import DESTINATION_RULES, VIRTUAL_SERVICES
from autopilot.overlay.halting import read_order
from autopilot.rules.compile import compile_rule
from autopilot.rules.explained import Explanation, Stored, report
from autopilot.rules.inspect_about import troubles
from autopilot.rules.inspect_holds import Hold, holds_on, scaled_on
from autopilot.rules.planned import Observed
from autopilot.rules.program import Program, Ready
from autopilot.rules.readings import reading_of, why_unknown
from autopilot.spec.positions import Document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from autopilot.cli.cluster import Access
    from autopilot.kube.client import Body, KubeClient
    from autopilot.telemetry.sample import Sample
    from autopilot.verdict.transition import Reading


@dataclass(frozen=True, slots=True)
class Visit:
    """A phase that was entered."""

    phase: str
    at: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class Told:
    """A resource, explained.

    Attributes:
        resource: Like `Rule shop/checkout-failover`.
        mode: A rule's `enforce` or `observe`; empty for other kinds.
        phase: As the status says; empty where it has none yet.
        since: When that was entered.
        troubles: Conditions that want a person, a halt, a pause.
        explanation: A rule's, judged anew; None for other kinds, or where it doesn't compile.
        problems: Why it doesn't.
        holds: What it holds, by the marks on the objects.
        history: The last phases, the newest first.
        conditions: All of them, for kinds that aren't rules: `Ready True: …`.
        unknown: What couldn't be read, and why.
    """

    resource: str
    mode: str
    phase: str
    since: datetime | None
    troubles: tuple[str, ...]
    explanation: Explanation | None = None
    problems: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
    history: tuple[Visit, ...] = ()
    conditions: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)


async def explain_rule(access: Access, namespace: str, name: str) -> Told:
    """Explain a rule.

    Raises:
        TerminalError: There is none.
        ApiError: The API can't be reached.
        InvalidInput: There is no usable kubeconfig.
    """
    client = await connect(access.kubeconfig, access.context, timeout=PATIENCE)
    try:
        body = await fetch_rule(client, namespace, name)
        reader = Reader(client)
        told = await _common(reader, body)
        try:
            program = compile_rule(body, Document("", body))
        except InvalidInput as error:
            return _with(told, problems=tuple(str(each) for each in error.problems))
        readings, why = await _read(reader, access, program)
    finally:
        await client.close()
    stored = Stored.of(body, program)
    found = report(program, stored, readings, why, SystemClock().now())
    return _with(told, explanation=found, unknown=reader.unknown)


async def explain_other(access: Access, kind: str, namespace: str, name: str) -> Told:
    """Explain a resource of another kind that autopilot's runtime works on.

    Raises:
        TerminalError: There is no such kind, or no such resource.
        ApiError: The API can't be reached.
        InvalidInput: There is no usable kubeconfig.
    """
    client = await connect(access.kubeconfig, access.context, timeout=PATIENCE)
    try:
        body = await _other(client, kind.lower(), namespace, name)
        return await _common(Reader(client), body)
    finally:
        await client.close()


async def _other(client: KubeClient, kind: str, namespace: str, name: str) -> Body:
    reader = Reader(client)
    kinds = await kinds_of_ours(reader)
    found = [
        each for each in kinds if kind in {each.kind.lower(), each.plural, each.qualified.lower()}
    ]
    if not found:
        known = ", ".join(sorted(each.kind.lower() for each in kinds)) or "none yet"
        why = "; ".join(f"{what}: {said}" for what, said in reader.unknown.items())
        raise TerminalError(
            f"no kind {kind!r} is worked on by autopilot here; there is {known}"
            + (f" ({why})" if why else "")
        )
    for each in found:
        try:
            return await client.get(each, name, namespace if each.namespaced else None)
        except NotFound:
            continue
    raise TerminalError(await absent(client, found[0], namespace, name))


async def _common(reader: Reader, body: Body) -> Told:
    meta, status = body["metadata"], body.get("status") or {}
    spec = body.get("spec") or {}
    home = meta.get("namespace", "")
    async with asyncio.TaskGroup() as tasks:
        order = tasks.create_task(halted(reader))
        lists = [
            tasks.create_task(reader.everywhere(kind, home))
            for kind in (VIRTUAL_SERVICES, DESTINATION_RULES)
        ]
        scaled = tasks.create_task(reader.listed(KNOWN["deployments"], home))
    who = f"{body.get('kind')} {home}/{meta['name']}"
    held = holds_on(each for task in lists for each in task.result() or ())
    held += [hold for each in scaled.result() or () if (hold := scaled_on(each)) is not None]
    rule = body.get("kind") == "Rule"
    conditions = status.get("conditions")
    return Told(
        resource=who,
        mode=str(spec.get("mode") or "enforce") if rule else "",
        phase=str(status.get("phase") or ""),
        since=parse_time(status.get("phaseSince")),
        troubles=(*_stops(body, order.result()), *troubles(conditions)),
        holds=tuple(hold for hold in held if hold.holder == who),
        history=tuple(_history(status)),
        conditions=() if rule else tuple(_conditions(conditions)),
        unknown=reader.unknown,
    )


def _stops(body: Body, order: Body | None) -> list[str]:
    meta, stops = body["metadata"], []
    if order is not None and (found := read_order(order)).covers(meta.get("namespace", "")):
        stops.append(str(found))
    paused = (meta.get("annotations") or {}).get(PAUSED)
    if paused is not None and paused != "false":
        stops.append(f"paused by the annotation {PAUSED}")
    if meta.get("deletionTimestamp"):
        stops.append(f"being deleted since {meta['deletionTimestamp']}")
    return stops


def _history(status: Body) -> list[Visit]:
    stored = status.get("phaseHistory")
    visits = [each for each in stored if isinstance(each, dict)] if isinstance(stored, list) else []
    return [
        Visit(
            str(each.get("phase")),
            parse_time(each.get("at")),
            str(each.get("message") or each.get("reason") or ""),
        )
        for each in reversed(visits)
    ]


def _conditions(stored: Any) -> list[str]:
    return [
        f"{each.get('type')} {each.get('status')}: {each.get('message') or each.get('reason')}"
        for each in (stored if isinstance(stored, list) else ())
        if isinstance(each, dict)
    ]


async def _read(
    reader: Reader, access: Access, program: Program
) -> tuple[dict[str, Reading], dict[str, str]]:
    """Each signal's reading as it is now, and why those are unknown that are."""
    queries = {
        name: signal.source
        for name, signal in program.signals.items()
        if not isinstance(signal.source, Ready)
    }
    samples = await asked(reader, access, queries) if queries else {}
    homes = {s.source.namespace for s in program.signals.values() if isinstance(s.source, Ready)}
    lists = [await reader.listed(KNOWN["endpointslices"], home) for home in sorted(homes)]
    known = all(each is not None for each in lists)
    slices = {KNOWN["endpointslices"]: [body for each in lists for body in each or ()]}
    world = Observed(slices if known else {})
    readings, why = {}, {}
    for name, signal in program.signals.items():
        answer: Sample | float | None = samples.get(name)
        if isinstance(signal.source, Ready):
            answer = ready_endpoints(world, signal.source)
        readings[name] = reading_of(signal, answer)
        if not readings[name].known:
            asks = not isinstance(signal.source, Ready)
            why[name] = NO_METRICS if asks and not samples else why_unknown(signal, answer)
    return readings, why


def _with(told: Told, **more: Any) -> Told:
    from dataclasses import replace

    return replace(told, **more)
