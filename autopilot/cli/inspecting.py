"""Fetches what `autopilot inspect` shows. A part that can't be reached is said, never fatal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from autopilot.base.clock import SystemClock
from autopilot.base.errors import TerminalError
from autopilot.cli.absent import absent
from autopilot.cli.reading import PATIENCE, Reader, asked
from autopilot.kube.client import NotFound
from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES, ResourceType
from autopilot.kube.marks import HALT_NAME, HALT_NAMESPACE
from autopilot.rules.definition import RULES
from autopilot.rules.inspect import Found, inspect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autopilot.cli.cluster import Access
    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Measure
    from autopilot.rules.inspect_model import Inspection
    from autopilot.telemetry.sample import Sample

_EVERYWHERE = (KNOWN["virtualservices"], KNOWN["destinationrules"])
_HERE = (
    KNOWN["endpointslices"],
    KNOWN["deployments"],
    KNOWN["horizontalpodautoscalers"],
)
WINDOW = "1m"
"""Over which signals are shown."""

_SIGNALS: dict[str, tuple[Measure, str]] = {
    "errors": ("errors", "ratio"),
    "p99": ("latency", "ms"),
    "rate": ("rate", "1/s"),
}
_OF_OURS = {"phase", "phaseSince", "phaseHistory"}
"""Fields of status by which a kind that autopilot's runtime works on is known."""


async def look(access: Access, namespace: str, name: str) -> Inspection:
    """Fetch and put together what applies to a service.

    Raises:
        TerminalError: There is no such Service.
        ApiError: The API can't be reached.
        InvalidInput: There is no usable kubeconfig.
    """
    client = await connect(access.kubeconfig, access.context, timeout=PATIENCE)
    clock = SystemClock()
    try:
        try:
            service = await client.get(KNOWN["services"], name, namespace)
        except NotFound:
            said = await absent(client, KNOWN["services"], namespace, name)
            raise TerminalError(said) from None
        reader = Reader(client)
        found = await _found(reader, access, service)
    finally:
        await client.close()
    return inspect(found, clock.now())


async def _found(reader: Reader, access: Access, service: Body) -> Found:
    meta = service["metadata"]
    home = meta["namespace"]
    async with asyncio.TaskGroup() as tasks:
        lists = {kind: tasks.create_task(reader.everywhere(kind, home)) for kind in _EVERYWHERE}
        lists |= {kind: tasks.create_task(reader.listed(kind, home)) for kind in _HERE}
        resources = tasks.create_task(resources_of(reader, home))
        space = tasks.create_task(
            reader.tried(f"namespace {home}", reader.client.get(NAMESPACES, home))
        )
        halt = tasks.create_task(halted(reader))
        signals = tasks.create_task(_signals(reader, access, home, meta["name"]))
    bodies = {kind: found for kind, task in lists.items() if (found := task.result()) is not None}
    return Found(
        service=service,
        bodies=bodies,
        resources=resources.result()[0],
        kinds=resources.result()[1],
        namespace=space.result(),
        halt=halt.result(),
        samples=signals.result(),
        unknown=reader.unknown,
    )


async def halted(reader: Reader) -> Body | None:
    """The ConfigMap of a halt; None where there is none."""
    call = reader.client.get(KNOWN["configmaps"], HALT_NAME, HALT_NAMESPACE)
    return await reader.tried("halt", call)


async def resources_of(reader: Reader, home: str) -> tuple[list[Body], frozenset[str]]:
    """Rules, and resources of every other kind that autopilot's runtime works on.

    Returns:
        The resources, and the kinds of which these are all.
    """
    kinds = await kinds_of_ours(reader)
    async with asyncio.TaskGroup() as tasks:
        lists = {kind: tasks.create_task(reader.everywhere(kind, home)) for kind in kinds}
    bodies = [body for task in lists.values() for body in task.result() or ()]
    whole = (kind.kind for kind in kinds if kind.qualified not in reader.unknown)
    return bodies, frozenset(whole)


async def kinds_of_ours(reader: Reader) -> list[ResourceType]:
    """The kinds that autopilot's runtime works on; rules alone, where others can't be told."""
    definitions = await reader.listed(CUSTOM_RESOURCE_DEFINITIONS, None)
    if definitions is not None:
        return [*_kinds(definitions)]
    why = reader.unknown.pop(CUSTOM_RESOURCE_DEFINITIONS.qualified, "")
    reader.unknown["other kinds than Rule"] = why
    return [RULES]


def _kinds(definitions: Iterable[Body]) -> Iterable[ResourceType]:
    for body in definitions:
        spec: Mapping[str, Any] = body.get("spec") or {}
        names = spec.get("names") or {}
        versions = [each for each in spec.get("versions") or () if each.get("served")]
        for version in versions[:1]:
            schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
            status = ((schema.get("properties") or {}).get("status") or {}).get("properties") or {}
            if status.keys() >= _OF_OURS or spec.get("group") == RULES.group:
                namespaced = spec.get("scope") != "Cluster"
                yield ResourceType(
                    spec["group"], version["name"], names["plural"], names["kind"], namespaced
                )


async def _signals(
    reader: Reader, access: Access, namespace: str, name: str
) -> dict[str, tuple[Sample, str]]:
    from autopilot.telemetry.service_builtins import service_query

    target = [(namespace, name)]
    queries = {
        signal: service_query(measure, target, window=WINDOW, quantile=0.99)
        for signal, (measure, _) in _SIGNALS.items()
    }
    samples = await asked(reader, access, queries)
    return {signal: (sample, _SIGNALS[signal][1]) for signal, sample in samples.items()}
