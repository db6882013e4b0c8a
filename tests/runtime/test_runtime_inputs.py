"""What a phase sees: declared kinds only, in their scope."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from runtime_kit import CONFIG_MAPS, PLURAL, RAMP, Box, config_map, crd, define, phase, ramp, until

from autopilot.base.errors import InvalidInput
from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.runtime.definition import Input
from autopilot.runtime.operator import Runtime
from autopilot.runtime.result import Result

SECRETS = KNOWN["secrets"]


def labelled(name: str, namespace: str = "default", **labels: str) -> dict[str, Any]:
    body = config_map(name, namespace)
    body["metadata"]["labels"] = labels
    return body


@pytest.mark.parametrize(
    ("declared", "names"),
    [
        (Input("configmaps", CONFIG_MAPS), ["here", "here-too"]),
        (Input("configmaps", CONFIG_MAPS, selector="app=a"), ["here"]),
        (Input("configmaps", CONFIG_MAPS, namespace="other"), ["there"]),
        (Input("configmaps", CONFIG_MAPS, namespace="*"), ["here", "here-too", "there"]),
        (Input("configmaps", CONFIG_MAPS, names=("here-too", "nobody")), ["here-too"]),
    ],
    ids=["own namespace", "selector", "another namespace", "all", "by name"],
)
async def test_an_input_shows_what_it_declares(box: Box, declared: Input, names: list[str]) -> None:
    seen: list[list[str]] = []

    def work(res: Any, inputs: Any, ctx: Any) -> Any:
        seen.append([item.name for item in inputs.configmaps])
        return Result.stay()

    box.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    for body in (labelled("here", app="a"), labelled("here-too"), labelled("there", "other")):
        box.create(body)
    box.create(ramp())
    await box.run(define(phase("Waiting", work, initial=True, inputs=(declared,))))
    assert seen[-1] == names
    assert box.records[-1].inputs == {"configmaps": names}
    lists = box.server.requests.matching(verb="list", resource="configmaps")
    assert lists, "the selection is the server's work"


async def test_secrets_are_asked_for_by_name_only(box: Box) -> None:
    box.create(ramp())
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key", "namespace": "default"},
    }
    box.create(secret)
    box.server.requests.clear()
    declared = Input("secrets", SECRETS, names=("key",))
    await box.run(
        define(
            phase(
                "Waiting",
                lambda _, i, __: Result.stay(message=i.secrets.get("key").name),
                initial=True,
                inputs=(declared,),
            )
        )
    )
    assert box.condition()["message"] == "key"


async def test_a_change_wakes_those_who_read_it_and_nobody_else(box: Box) -> None:
    calls: list[str] = []

    def work(res: Any, inputs: Any, ctx: Any) -> Any:
        calls.append(f"{res.namespace}/{res.name}")
        return Result.stay()

    box.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    box.create(ramp("reads"))
    box.create(ramp("reads", "other"))
    box.create(ramp("blind"))
    box.edit("blind", subresource="status", status={"phase": "Blind"})
    machine = define(
        phase("Reading", work, initial=True, inputs=(Input("configmaps", CONFIG_MAPS),)),
        phase("Blind", work),
    )
    await box.run(machine)
    calls.clear()
    box.create(config_map("news"))
    await box.settle()
    assert calls == ["default/reads"]


async def test_a_new_sample_wakes_its_reader_and_is_no_tick(box: Box) -> None:
    calls: list[tuple[bool, float | None]] = []

    async def work(res: Any, inputs: Any, ctx: Any) -> Any:
        sample = await inputs.metrics.rate(app="web")
        calls.append((ctx.due, sample.value))
        return Result.stay(after="1m")

    box.samples.set("rate", 1.0)
    box.create(ramp())
    await box.run(define(phase("Judging", work, initial=True, metrics=True)))
    box.samples.set("rate", 2.0)
    await box.advance(1)
    assert calls == [(True, 1.0), (False, 2.0)]
    box.server.store.delete(PLURAL, "r", "default")
    await box.advance(5)
    assert len(calls) == 2


async def test_two_kinds_of_one_project_share_a_process(box: Box) -> None:
    other = ResourceType(RAMP.group, RAMP.version, "slopes", "Slope")
    body = crd()
    body["metadata"]["name"] = other.qualified
    body["spec"]["names"] = {"kind": "Slope", "plural": "slopes", "singular": "slope"}
    box.create(body)
    first = define(phase("A", lambda *_: Result.stay(reason="First"), initial=True))
    second = replace(
        define(phase("B", lambda *_: Result.stay(reason="Second"), initial=True)), kind=other
    )
    box.create(ramp())
    box.create({**ramp(), "kind": "Slope"})
    runtime = Runtime([first, second], client=box.client, clock=box.clock)
    assert not runtime.live
    stop = asyncio.Event()
    task = asyncio.create_task(runtime.run(stop))
    await until(lambda: box.condition().get("reason") == "First")
    await until(
        lambda: (
            box.server.store.get(other.qualified, "r", "default").get("status", {}).get("phase")
            == "B"
        )
    )
    assert runtime.live
    stop.set()
    await task
    assert not runtime.live


async def test_a_definition_that_is_no_machine_or_has_no_mesh_is_refused(box: Box) -> None:
    with pytest.raises(InvalidInput, match="exactly one phase is initial"):
        Runtime([define(phase("A", lambda *_: Result.stay()))], client=box.client)
    acting = define(phase("A", lambda *_: Result.stay(), initial=True, actions=("split",)))
    with pytest.raises(InvalidInput, match="on no mesh"):
        Runtime([acting], client=box.client)
