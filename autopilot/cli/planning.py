"""Fetches what `autopilot rule plan` needs: the rule, the mesh's objects, the present rate."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.base.clock import SystemClock
from autopilot.base.errors import InvalidInput, Problem, TerminalError
from autopilot.cli.absent import absent
from autopilot.cli.reading import PATIENCE, Reader, asked
from autopilot.kube.client import NotFound
from autopilot.kube.http import connect
from autopilot.kube.kinds import KNOWN, NAMESPACES
from autopilot.mesh.istio.base import DESTINATION_RULES, VIRTUAL_SERVICES
from autopilot.mesh.istio.provider import Istio
from autopilot.mesh.provider import Owner
from autopilot.rules.check_files import rules_in
from autopilot.rules.compile import compile_rule
from autopilot.rules.definition import NAME, RULES, services
from autopilot.rules.planned import Observed, StepPlan, planned
from autopilot.rules.price import shares_of
from autopilot.rules.program import Program, Ready
from autopilot.rules.readings import reading_of
from autopilot.spec.positions import Document
from autopilot.telemetry.service_builtins import service_query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from autopilot.cli.cluster import Access
    from autopilot.kube.client import Body, KubeClient
    from autopilot.telemetry.sample import Sample

RATE_WINDOW = "1m"
"""Over which the present rate of requests is taken."""

_RATE = "the present rate"


@dataclass(frozen=True, slots=True)
class Planning:
    """What a plan is made of.

    Attributes:
        program: The rule.
        steps: What each phase and rung would change.
        rps: The target's present requests per second; None where nobody knows.
        why: Why nobody does.
        values: Present values of the signals.
        unknown: What couldn't be read, and why.
    """

    program: Program
    steps: tuple[StepPlan, ...]
    rps: float | None
    why: str
    values: Mapping[str, float | None]
    unknown: Mapping[str, str]


def from_file(path: Path) -> list[Document]:
    """The rules of a file.

    Raises:
        InvalidInput: It can't be read, is no YAML, or holds no rule.
    """
    try:
        found = rules_in(path.read_text(encoding="utf-8"), str(path), [])
    except UnicodeDecodeError:
        raise InvalidInput([Problem(str(path), 0, "", "isn't text in UTF-8")]) from None
    if not found:
        raise InvalidInput([Problem(str(path), 0, "", "holds no rule")])
    return found


async def fetch_rule(client: KubeClient, namespace: str, name: str) -> Body:
    """A rule from the cluster.

    Raises:
        TerminalError: There is none of that name.
        ApiError: The API can't be reached.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await client.get(RULES, name, namespace)
    except NotFound:
        raise TerminalError(await absent(client, RULES, namespace, name)) from None
    except TimeoutError:
        raise TerminalError(f"{client.server}: no answer in {PATIENCE:g} s") from None


async def plan_file(access: Access, namespace: str, documents: list[Document]) -> list[Planning]:
    """Plans of the rules in a file, against a cluster.

    Raises:
        InvalidInput: A rule is wrong, or there is no usable kubeconfig.
        ApiError: The API can't be reached.
    """
    compiled = []
    for document in documents:
        metadata = document.value.get("metadata")
        if isinstance(metadata, dict):
            metadata.setdefault("namespace", namespace)
        compiled.append(compile_rule(document.value, document))
    client = await connect(access.kubeconfig, access.context, timeout=PATIENCE)
    try:
        return [await _plan(client, access, program, None) for program in compiled]
    finally:
        await client.close()


async def plan_named(access: Access, namespace: str, name: str) -> Planning:
    """The plan of a rule that is in the cluster.

    Raises:
        TerminalError: It isn't there.
        InvalidInput: It is wrong, or there is no usable kubeconfig.
        ApiError: The API can't be reached.
    """
    client = await connect(access.kubeconfig, access.context, timeout=PATIENCE)
    try:
        body = await fetch_rule(client, namespace, name)
        program = compile_rule(body, Document(f"Rule {namespace}/{name}", body))
        return await _plan(client, access, program, body)
    finally:
        await client.close()


async def _plan(
    client: KubeClient, access: Access, program: Program, stored: Body | None
) -> Planning:
    reader = Reader(client)
    if stored is None:
        # One of that name may be at work already: what it holds is its own, not a stranger's.
        path = (program.name, program.namespace)
        stored = await reader.tried("the rule in the cluster", client.get(RULES, *path))
    async with asyncio.TaskGroup() as tasks:
        seen = tasks.create_task(observe(reader, program))
        answers = tasks.create_task(_answers(reader, access, program))
    world, samples = seen.result(), answers.result()
    uid = stored["metadata"]["uid"] if stored else "planned"
    owner = Owner(RULES, program.namespace, program.name, uid, NAME)
    steps = planned(program, Istio(), owner, world, SystemClock().now())
    rate = samples.pop(_RATE, None)
    why = reader.unknown.pop("signals", "") or ("" if rate is None else str(rate.why))
    return Planning(
        program,
        tuple(steps),
        None if rate is None else rate.value,
        why,
        values_of(program, samples, world),
        reader.unknown,
    )


async def observe(reader: Reader, program: Program) -> Observed:
    """The mesh's objects, as far as they can be read."""
    homes = sorted({program.namespace, *(home for home, _ in services(program))})
    bodies: dict[Any, list[Body]] = {}
    everywhere = {
        kind: asyncio.create_task(reader.everywhere(kind, program.target.namespace))
        for kind in (VIRTUAL_SERVICES, DESTINATION_RULES)
    }
    for kind, task in everywhere.items():
        if (found := await task) is not None:
            bodies[kind] = found
    for kind in (KNOWN["services"], KNOWN["endpointslices"]):
        lists = [await reader.listed(kind, home) for home in homes]
        if all(found is not None for found in lists):
            bodies[kind] = [body for found in lists for body in found or ()]
    spaces = [
        await reader.tried(f"namespace {home}", reader.client.get(NAMESPACES, home))
        for home in homes
    ]
    bodies[NAMESPACES] = [space for space in spaces if space is not None]
    return Observed(bodies)


async def _answers(reader: Reader, access: Access, program: Program) -> dict[str, Sample]:
    target = program.target
    behind = {
        (target.namespace, name.partition("/")[0])
        for phase, plan in program.phases.items()
        for rung in range(max(1, plan.rungs))
        for name in shares_of(program, phase, rung)
    }
    queries = {
        name: signal.source
        for name, signal in program.signals.items()
        if not isinstance(signal.source, Ready)
    }
    rate = service_query("rate", sorted(behind), window=RATE_WINDOW, callers=target.callers)
    return await asked(reader, access, {**queries, _RATE: rate})


def values_of(
    program: Program, samples: Mapping[str, Sample], world: Observed
) -> dict[str, float | None]:
    """Each signal's present value."""
    return {
        name: reading_of(
            signal,
            ready_endpoints(world, signal.source)
            if isinstance(signal.source, Ready)
            else samples.get(name),
        ).value
        for name, signal in program.signals.items()
    }


def ready_endpoints(world: Observed, source: Ready) -> float | None:
    """Ready endpoints of a service; None where they couldn't be read."""
    slices = world.objects(KNOWN["endpointslices"], source.namespace)
    if slices is None:
        return None
    counts: dict[str, int] = {}
    for body in slices:
        labels = body["metadata"].get("labels") or {}
        if labels.get("kubernetes.io/service-name") == source.service:
            family = str(body.get("addressType") or "")
            endpoints = body.get("endpoints") or ()
            up = sum((e.get("conditions") or {}).get("ready") is not False for e in endpoints)
            counts[family] = counts.get(family, 0) + up
    return float(max(counts.values(), default=0))
