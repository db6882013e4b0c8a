"""Fetches what `autopilot experiment plan` needs, and asks what forbids the run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from autopilot.base.clock import SystemClock
from autopilot.cli.experimenting import client_of
from autopilot.cli.reading import Reader
from autopilot.kube.kinds import KNOWN, NAMESPACES
from autopilot.mesh.istio.base import DESTINATION_RULES, VIRTUAL_SERVICES
from autopilot.mesh.istio.provider import Istio
from autopilot.mesh.provider import Owner
from autopilot.operators.chaos.definition import NAME, REFUSED
from autopilot.operators.chaos.model import EXPERIMENTS, ChaosLimits
from autopilot.operators.chaos.workers.pending import refusal
from autopilot.operators.chaos.workers.places import phase_of
from autopilot.rules.planned import ObjectPlan, Observed, object_plan
from autopilot.runtime.inputs import Item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.cli.cluster import Access
    from autopilot.kube.client import Body, KubeClient
    from autopilot.kube.kinds import ResourceType
    from autopilot.operators.chaos.check_files import Found
    from autopilot.operators.chaos.compile import Program
    from autopilot.operators.chaos.workers.look import Look


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment would do.

    Attributes:
        name: The experiment's.
        namespace: Its namespace.
        program: Compiled.
        objects: What would change in the mesh.
        refused: Why it would not be begun, or the mesh would refuse the fault.
        waits: What it would wait for.
        ready: Ready endpoints behind the target; None where they couldn't be read.
        unknown: What couldn't be read, and why.
    """

    name: str
    namespace: str
    program: Program
    objects: tuple[ObjectPlan, ...]
    refused: tuple[str, ...]
    waits: tuple[str, ...]
    ready: int | None
    unknown: dict[str, str]


async def plans(access: Access, found: Sequence[Found], limits: ChaosLimits) -> list[Plan]:
    """The plans of experiments, against a cluster; nothing is written.

    Raises:
        InvalidInput: There is no usable kubeconfig.
        ApiError: The API can't be reached.
    """
    async with client_of(access) as client:
        return [
            await _plan(client, one, one.program, limits)
            for one in found
            if one.program is not None
        ]


async def _plan(client: KubeClient, found: Found, program: Program, limits: ChaosLimits) -> Plan:
    reader, where = Reader(client), program.where
    stored = await reader.tried(
        "the experiment in the cluster", client.get(EXPERIMENTS, found.name, found.namespace)
    )
    world = await _observe(reader, {found.namespace, where.namespace}, where.namespace)
    others = await reader.everywhere(EXPERIMENTS, found.namespace) or []
    refused = await _refused(reader, found.namespace, program, limits, world)
    objects: tuple[ObjectPlan, ...] = ()
    if program.fault is not None:
        uid = stored["metadata"]["uid"] if stored else "planned"
        owner = Owner(EXPERIMENTS, found.namespace, found.name, uid, NAME)
        now, mesh = SystemClock().now(), Istio()
        steps = mesh.plan(owner, [program.fault], world, now)
        refused += [str(error) for error in steps.refused]
        previews = mesh.preview(owner, [program.fault], world, now)
        objects = tuple(object_plan(preview, owner) for preview in previews)
    return Plan(
        found.name,
        found.namespace,
        program,
        objects,
        tuple(dict.fromkeys(refused)),
        tuple(_waits(stored, others, program, limits)),
        _ready(world, where.namespace, where.host),
        reader.unknown,
    )


async def _observe(reader: Reader, homes: set[str], target: str) -> Observed:
    bodies: dict[ResourceType, Sequence[Body]] = {}
    for kind in (VIRTUAL_SERVICES, DESTINATION_RULES):
        if (found := await reader.everywhere(kind, target)) is not None:
            bodies[kind] = found
    for kind in (KNOWN["services"], KNOWN["endpointslices"]):
        if (found := await reader.listed(kind, target)) is not None:
            bodies[kind] = found
    spaces = await asyncio.gather(
        *(
            reader.tried(f"namespace {home}", reader.client.get(NAMESPACES, home))
            for home in sorted(homes)
        )
    )
    bodies[NAMESPACES] = [space for space in spaces if space is not None]
    return Observed(bodies)


async def _refused(
    reader: Reader, home: str, program: Program, limits: ChaosLimits, world: Observed
) -> list[str]:
    """What the controller itself would say: its own check, over what was read here."""

    class Objects:
        async def get(self, kind: ResourceType, name: str, namespace: str | None = None) -> Any:
            body = world.get(kind, name, namespace)
            return None if body is None else Item(body)

    class Slices:
        def of(self, key: tuple[str, str]) -> list[Body]:
            return _slices(world, *key) or []

    look = SimpleNamespace(
        program=program,
        res=SimpleNamespace(namespace=home),
        ctx=SimpleNamespace(config=SimpleNamespace(chaos=limits)),
        # Whether the installation allows a webhook's host is known to the controller alone.
        crew=SimpleNamespace(webhooks=SimpleNamespace(allowed=lambda _: True), refused=REFUSED),
        inputs=SimpleNamespace(reader=Objects(), endpointslices=Slices()),
    )
    if f"namespace {program.where.namespace}" in reader.unknown:
        return []
    outcome = await refusal(cast("Look", look))
    return [] if outcome is None else [outcome.message]


def _slices(world: Observed, namespace: str, service: str) -> list[Body] | None:
    slices = world.objects(KNOWN["endpointslices"], namespace)
    if slices is None:
        return None
    label = "kubernetes.io/service-name"
    return [b for b in slices if (b["metadata"].get("labels") or {}).get(label) == service]


def _ready(world: Observed, namespace: str, service: str) -> int | None:
    slices = _slices(world, namespace, service)
    if slices is None:
        return None
    return sum(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for body in slices
        for endpoint in body.get("endpoints") or ()
    )


def _waits(
    stored: Body | None, others: Sequence[Body], program: Program, limits: ChaosLimits
) -> list[str]:
    from autopilot.operators.chaos import machine
    from autopilot.operators.chaos.workers.places import target_of

    uid, own = (stored or {"metadata": {}})["metadata"].get("uid"), program.where
    active = [body for body in others if phase_of(body) in machine.ACTIVE]
    found = []
    if stored is not None and phase_of(stored) in machine.ACTIVE:
        found.append(f"it is in {phase_of(stored)}: a run goes on")
    rest = [body for body in active if body["metadata"].get("uid") != uid]
    for body in rest:
        if target_of(body) == (own.namespace, own.host):
            meta = body["metadata"]
            found.append(f"Experiment {meta['namespace']}/{meta['name']} is on the same target")
    if len(rest) >= limits.max_at_once:
        found.append(f"{len(rest)} experiments run, and maxAtOnce is {limits.max_at_once}")
    if program.spec.suspend:
        found.append("it is suspended")
    return found
