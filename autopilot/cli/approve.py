"""`autopilot approve`: a person opens a gate, or lets go of a latch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from autopilot.base.errors import InvalidInput
    from autopilot.kube.client import KubeClient
    from autopilot.kube.kinds import ResourceType


@click.command()
@click.argument("what", metavar="KIND/NAME")
@click.argument("phase", required=False)
@click.option("--namespace", "-n", default="default", show_default=True, help="Its namespace.")
@click.option("--latch", is_flag=True, help="Let go of the phase that a guardrail holds.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="A kubeconfig file.")
@click.option("--context", help="A context of the kubeconfig; its current one by default.")
@click.option("--sandbox", metavar="NAME", help="Instead: a sandbox that is up.")
def approve(*, what: str, phase: str | None, latch: bool, **where: Any) -> None:
    """Open the way to PHASE for a resource that waits for a person, like `rule/checkout Trial`.

    The next phase that it enters uses the approval up. With --latch instead of a phase: let go of
    what a guardrail holds.
    """
    import asyncio

    if (phase is None) == (not latch):
        raise click.UsageError("name the phase to open the way to, or give --latch")
    kind = _kind(what, latch=latch)
    asyncio.run(_approve(kind, what.partition("/")[2], phase or "", where))


def _kind(what: str, *, latch: bool) -> ResourceType:
    from autopilot.kube.kinds import ResourceType
    from autopilot.rules.definition import RULES

    kinds = dict.fromkeys(("rule", "rules", RULES.qualified), RULES)
    kind, slash, name = what.partition("/")
    if not slash or not name:
        raise click.UsageError(f"{what!r} is no KIND/NAME, like rule/checkout-failover")
    if latch and "." in kind and kind not in kinds:
        # An operator of somebody's own making; its CRD says the rest.
        plural, _, group = kind.partition(".")
        return ResourceType(group, "", plural, "")
    if kind.lower() not in kinds:
        raise click.UsageError(f"{kind!r} isn't known; write it like rule/{name}")
    return kinds[kind.lower()]


async def _approve(kind: ResourceType, name: str, phase: str, where: dict[str, Any]) -> None:
    """Write the annotation.

    Raises:
        InvalidInput: Nothing waits for it, or it isn't there.
        ApiError: The API refuses.
    """
    from autopilot.cli.absent import absent
    from autopilot.cli.cluster import sandboxed
    from autopilot.kube.client import NotFound
    from autopilot.kube.http import connect
    from autopilot.kube.marks import APPROVE, UNLATCH

    namespace = where["namespace"]
    kubeconfig, context = sandboxed(where["kubeconfig"], where["context"], where["sandbox"])
    client = await connect(kubeconfig, context, user_agent="autopilot/approve")
    try:
        if not kind.version:
            kind = await _completed(client, kind)
        try:
            body = await client.get(kind, name, namespace)
        except NotFound as error:
            raise _refused(await absent(client, kind, namespace, name)) from error
        present = str((body.get("status") or {}).get("phase") or "")
        if phase:
            _check(body, present, phase)
        elif not _latched(body):
            raise _refused("no guardrail holds it; there is nothing to let go of")
        meta = {"uid": body["metadata"]["uid"]}
        mark = {APPROVE: phase} if phase else {UNLATCH: "true"}
        await client.patch(kind, name, namespace, {"metadata": {**meta, "annotations": mark}})
    finally:
        await client.close()
    opened = f"the way from {present} to {phase} is open" if phase else "the latch is let go of"
    click.echo(f"{kind.kind} {namespace}/{name}: {opened}")


async def _completed(client: KubeClient, kind: ResourceType) -> ResourceType:
    """A kind as its CRD spells it.

    Raises:
        InvalidInput: There is none.
    """
    from autopilot.kube.client import NotFound
    from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, ResourceType

    try:
        found = await client.get(CUSTOM_RESOURCE_DEFINITIONS, kind.qualified)
    except NotFound as error:
        raise _refused(f"the API doesn't serve {kind.qualified}") from error
    spec = found["spec"]
    version = next(each["name"] for each in spec["versions"] if each.get("storage"))
    return ResourceType(
        kind.group, version, kind.plural, spec["names"]["kind"], spec["scope"] == "Namespaced"
    )


def _refused(why: str) -> InvalidInput:
    """What was typed is in order, and yet it can't be done: no usage is shown."""
    from autopilot.base.errors import InvalidInput, Problem

    return InvalidInput([Problem("", 0, "", why)])


def _latched(body: dict[str, Any]) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Latched" and one.get("status") == "True" for one in conditions)


def _check(body: dict[str, Any], present: str, phase: str) -> None:
    """An approval that nothing waits for would open a gate of some later day."""
    from autopilot.base.errors import InvalidInput
    from autopilot.rules.compile import compile_rule

    try:
        program = compile_rule({key: one for key, one in body.items() if key != "status"})
    except InvalidInput as error:
        raise _refused(f"the rule can't be read: {error}") from error
    if present not in program.phases:
        raise _refused(f"it is in {present or 'no phase yet'}; nothing waits there")
    ways = program.phases[present].judged.transitions
    gates = [way.to for way in ways if way.approve]
    if phase not in gates:
        there = ", ".join(dict.fromkeys(gates))
        waits = f"what waits: {there}" if there else "no way out of it waits for one"
        raise _refused(f"nothing waits for an approval of {phase} in {present}; {waits}")
