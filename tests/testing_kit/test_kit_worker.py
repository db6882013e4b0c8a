import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autopilot.runtime.inputs import InputMissing
from autopilot.runtime.refused import Refused
from autopilot.runtime.result import Result
from autopilot.spec.model import Spec, Status
from autopilot.telemetry.sample import Why
from autopilot.telemetry.scripted import ScriptedSamples


class GliderSpec(Spec):
    height_limit: int = 100


class GliderStatus(Status):
    height_now: int = 0


async def glide(res: Any, inputs: Any, ctx: Any) -> Result[Any]:
    rate = await inputs.metrics.error_rate(name="web", interval="1m")
    if rate.above(0.01, min_requests=10).is_true:
        return Result.to("Down", reason="Breach")
    target = inputs.deployments.get("web")
    if not ctx.due:
        return Result.stay()
    return Result.stay(status={"height_now": target["spec"]["replicas"]})


WEB = {"metadata": {"name": "web"}, "spec": {"replicas": 3}}


async def test_a_worker_is_run_with_what_the_test_gives_it(worker: Any) -> None:
    result = await worker(
        glide,
        resource={"name": "g", "phase": "Up", "spec": GliderSpec(), "status": GliderStatus()},
        inputs={"deployments": [WEB]},
        samples={"error_rate": 0.0},
    )
    assert result.phase is None
    assert result.status == {"height_now": 3}
    assert worker.seen.inputs == {"deployments": ("web",)}
    assert worker.seen.samples[0].judgements[0].verdict.is_false


async def test_an_input_that_is_not_there_raises_as_it_would(worker: Any) -> None:
    with pytest.raises(InputMissing, match="deployments default/web"):
        await worker(glide, inputs={"deployments": []}, samples={"error_rate": 0.0})


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        ({"value": 0.5, "requests": 100}, "Down"),
        ({"value": 0.5, "requests": 1}, None),
        (0.5, "Down"),
        (None, None),
        (Why.STALE, None),
    ],
)
async def test_a_sample_may_be_a_value_or_say_why_there_is_none(
    worker: Any, answer: Any, phase: str | None
) -> None:
    result = await worker(
        glide, inputs={"deployments": [WEB]}, samples={"error_rate": answer}, due=False
    )
    assert result.phase == phase


async def test_samples_may_be_scripted_and_time_be_given(worker: Any) -> None:
    from autopilot.base.clock import VirtualClock

    samples = ScriptedSamples(VirtualClock())
    samples.set("error-rate", 0.9)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    told: list[Any] = []

    async def look(res: Any, inputs: Any, ctx: Any) -> Result[Any]:
        told.append((ctx.now, ctx.deadline - ctx.now, ctx.attempt, res.phase_since))
        return Result.stay()

    await worker(look, samples=samples, now=now, attempt=2)
    assert told == [(now, timedelta(seconds=30), 2, now)]


async def test_a_plain_worker_runs_too_but_reads_no_metrics(worker: Any) -> None:
    def plain(res: Any, inputs: Any, ctx: Any) -> Result[Any]:
        return Result.to("Next", message=res.name)

    assert (await worker(plain, resource={"name": "g"})).message == "g"

    def reads(res: Any, inputs: Any, ctx: Any) -> Any:
        return inputs.metrics.error_rate(name="web")

    with pytest.raises(TypeError, match="async def"):
        await worker(reads)


async def test_a_worker_that_answers_nothing_is_told(worker: Any) -> None:
    with pytest.raises(TypeError, match="not a Result"):
        await worker(lambda *_: None)


async def test_a_query_that_is_none_names_those_there_are(worker: Any) -> None:
    with pytest.raises(ValueError, match="error_rate"):
        await worker(glide, samples={"eror_rate": 1})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project by hand: the smallest that loads."""
    root = tmp_path / "glider_project"
    package = root / "glider"
    (package / "workers").mkdir(parents=True)
    (root / "autopilot.yaml").write_text(
        "kind: Glider\napiVersion: fly.example.io/v1\noperatorName: glider\n"
        "phases:\n"
        "- {name: Up, initial: true, inputs: [deployments], outputs: [services], "
        "transitions: [{to: Down}]}\n"
        "- {name: Down, final: true}\n"
    )
    (package / "__init__.py").write_text("")
    (package / "workers" / "__init__.py").write_text("")
    (package / "spec.py").write_text(
        "from autopilot import Spec as B, Status as S\n"
        "class Spec(B):\n    height_limit: int = 100\n"
        "class Status(S):\n    height_now: int = 0\n"
    )
    (package / "workers" / "up.py").write_text(
        "from autopilot import Result\n"
        "def sync(res, inputs, ctx):\n"
        "    if res.spec.height_limit > 500:\n        return Result.to('Nowhere')\n"
        "    if res.spec.height_limit > 200:\n        return Result.to('Down')\n"
        "    return Result.stay(status={'height_now': res.spec.height_limit})\n"
    )
    return root


def _up(project: Path) -> Any:
    from autopilot.project.definition import load_definitions

    load_definitions(project)
    return sys.modules["glider.workers.up"]


async def test_in_a_project_the_declared_contract_is_checked(worker: Any, project: Path) -> None:
    up = _up(project)
    result = await worker(up, resource={"spec": {"heightLimit": 150}})
    assert result.status == {"height_now": 150}
    assert (await worker(up, resource={"spec": {"height_limit": 300}})).phase == "Down"
    with pytest.raises(Refused, match="isn't a declared phase"):
        await worker(up, resource={"spec": {"height_limit": 900}})
    with pytest.raises(Refused, match=r"spec.heightLimit"):
        await worker(up, resource={"spec": {"heightLimit": "high"}})
    with pytest.raises(ValueError, match="doesn't declare the input pods"):
        await worker(up, inputs={"pods": []})


async def test_a_project_flies(flight: Any, project: Path) -> None:
    async with flight(project) as f:
        f.apply(
            {
                "apiVersion": "fly.example.io/v1",
                "kind": "Glider",
                "metadata": {"name": "g"},
                "spec": {"heightLimit": 120},
            }
        )
        await f.settle()
        assert f.resource().phase == "Up"
        assert f.resource().status["heightNow"] == 120
        f.apply({**f.resource().thaw(), "spec": {"heightLimit": 250}})
        await f.advance("1s")
        assert f.resource().phase == "Down"
        assert f.runtime.options.work_interval == timedelta(seconds=5)


def test_the_plugin_costs_nothing_until_it_is_used() -> None:
    code = (
        "import sys, autopilot.testing.plugin\n"
        "heavy = {'aiohttp', 'kubernetes', 'kopf', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_fixtures_work_under_a_strict_asyncio_mode(tmp_path: Path) -> None:
    (tmp_path / "test_strict.py").write_text(
        "import pytest\n"
        "from autopilot import Result\n"
        "def plain(res, inputs, ctx):\n    return Result.stay(message=res.name)\n"
        "@pytest.mark.asyncio\n"
        "async def test_it(worker):\n"
        "    assert (await worker(plain, resource={'name': 'x'})).message == 'x'\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = strict\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
