"""Webhooks that decide, and other autopilots that are expected to react."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from chaos_kit import experiment, faults, phase, phases, status, verdict, world

from autopilot.base.timestamps import render_time
from autopilot.operators.chaos.crd import experiment_crd
from autopilot.operators.chaos.definition import experiments
from autopilot.operators.chaos.report_crd import report_crd
from autopilot.rules.crd import rule_crd
from autopilot.testing.flight import Flight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Fly = Any


class Hook:
    """A webhook that answers as told."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[Any] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        return web.Response(status=self.status)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    app = web.Application()
    app.router.add_post("/judge", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/judge"
    try:
        yield made
    finally:
        await runner.cleanup()


def watched_by(url: str, **more: Any) -> list[Any]:
    return [{"name": "judge", "trigger": {"webhook": {"url": url}}, **more}]


async def test_a_webhook_decides(fly: Fly, hook: Hook) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(failureConditions=watched_by(hook.url)))
        await f.advance("11s")
        assert phase(f) == "Running"
        assert hook.asked[-1] == {
            "experiment": "ratings-down",
            "namespace": "shop",
            "run": 1,
            "condition": "judge",
        }
        hook.status = 503
        await f.advance("6s")
        assert phase(f) == "Failed"
        assert verdict(f)[1].endswith("answered 503")
        assert faults(f) == []


async def test_a_webhook_that_nobody_answers_at_is_lost_telemetry(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        # A port that refuses connections: nothing was ever said for or against.
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        url = f"http://127.0.0.1:{port}/"
        f.apply(experiment(failureConditions=watched_by(url), maxErrors=2))
        await f.advance("15s")
        assert phase(f) == "Inconclusive"
        assert "127.0.0.1: ClientConnectorError" in verdict(f)[1]
        assert "Injecting" not in phases(f)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 70}.test"])
async def test_a_webhook_whose_host_is_no_name_is_lost_telemetry(fly: Fly, host: str) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(failureConditions=watched_by(f"http://{host}/")))
        for _ in range(16):
            await f.advance("1s")
        assert verdict(f)[0] == phase(f) == "Inconclusive"
        assert "no telemetry to judge by" in verdict(f)[1]


async def test_a_webhook_that_the_installation_does_not_allow_is_never_called(
    tmp_path: Path, hook: Hook
) -> None:
    crds = [experiment_crd(), report_crd()]
    flight = Flight(
        lambda clock: experiments(clock, allow_url=lambda _: False), folder=tmp_path, crds=crds
    )
    async with flight as f:
        world(f)
        f.apply(experiment(failureConditions=watched_by(hook.url)))
        await f.advance("3s")
        assert phase(f) == "Error"
        assert "doesn't allow the host" in verdict(f)[1]
        assert hook.asked == []


def rule(phase_: str, since: str) -> dict[str, Any]:
    return {
        "apiVersion": "autopilot.mesh/v1alpha1",
        "kind": "Rule",
        "metadata": {"name": "failover", "namespace": "shop"},
        "spec": {"target": {"service": "ratings"}},
        "status": {
            "phase": phase_,
            "phaseSince": since,
            "phaseHistory": [{"phase": phase_, "at": since}],
        },
    }


EXPECTS = [{"rule": "failover", "phase": "Standby", "within": "20s"}]


@contextlib.asynccontextmanager
async def beside_a_rule(tmp_path: Path) -> AsyncIterator[Flight]:
    crds = [experiment_crd(), report_crd(), rule_crd()]
    async with Flight(experiments, folder=tmp_path, crds=crds) as f:
        world(f)
        f.apply(rule("Normal", render_time(f.clock.now())))
        enter(f, "Normal")
        yield f


def enter(f: Flight, name: str) -> None:
    body = rule(name, render_time(f.clock.now()))
    store = f.server.store
    store.merge("rules.autopilot.mesh", "failover", body, "shop", subresource="status")


async def test_a_reaction_that_is_expected_and_comes_lets_the_run_succeed(tmp_path: Path) -> None:
    async with beside_a_rule(tmp_path) as f:
        f.apply(experiment(expects=EXPECTS))
        await f.advance("12s")
        enter(f, "Standby")
        await f.advance("10s")
        (seen,) = status(f)["expects"]
        assert (seen["met"], seen["after"]) == (True, 12.0)
        enter(f, "Normal")
        await f.advance("50s")
        assert phase(f) == "Succeeded"
        report = f.resource("ratings-down-1", "shop", "Report")
        assert report.at("spec.expects.0.met") is True


async def test_a_reaction_that_does_not_come_fails_the_run(tmp_path: Path) -> None:
    async with beside_a_rule(tmp_path) as f:
        f.apply(experiment(expects=EXPECTS))
        await f.advance("26s")
        assert phase(f) == "Failed"
        assert verdict(f)[1] == (
            "expected Rule shop/failover in Standby within 20s: it is in Normal"
        )
        assert faults(f) == []


async def test_a_phase_that_was_held_before_is_no_reaction(tmp_path: Path) -> None:
    async with beside_a_rule(tmp_path) as f:
        enter(f, "Standby")
        await f.advance("5s")
        f.apply(experiment(expects=EXPECTS))
        await f.advance("30s")
        assert phase(f) == "Failed"


THINGS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.io"},
    "spec": {
        "group": "example.io",
        "names": {"kind": "Thing", "plural": "things"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


@pytest.mark.parametrize("history", ["Standby", ["Standby"], [None], {"phase": "Standby"}, 7])
async def test_a_history_of_another_shape_holds_no_run_up(tmp_path: Path, history: Any) -> None:
    crds = [experiment_crd(), report_crd(), THINGS]
    async with Flight(experiments, folder=tmp_path, crds=crds) as f:
        world(f)
        thing = {"apiVersion": "example.io/v1", "kind": "Thing"}
        state = {"phase": "Normal", "phaseHistory": history}
        f.apply({**thing, "metadata": {"name": "one", "namespace": "shop"}, "status": state})
        expects = {**thing, "name": "one", "phase": "Standby", "within": "20s"}
        f.apply(experiment(expects=[expects]))
        await f.advance("26s")
        assert phase(f) == "Failed"
        assert "it is in Normal" in verdict(f)[1]
        assert faults(f) == []


async def test_one_that_is_expected_and_is_not_there_fails_the_run(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(expects=[{"canary": "web", "phase": "RolledBack", "within": "10s"}]))
        await f.advance("20s")
        assert phase(f) == "Failed"
        assert verdict(f)[1].endswith("there is none")
