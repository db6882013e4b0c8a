"""Reports in the cluster: one for each run, kept and pruned, whatever becomes of the experiment."""

from collections.abc import Callable
from typing import Any

from chaos_kit import NS, experiment, reports, verdict, world

RERUN = {"autopilot.mesh/rerun": "true"}


def rerun(f: Any) -> None:
    body = f.resource("ratings-down", NS).thaw()
    body["metadata"] = {
        "name": "ratings-down",
        "namespace": NS,
        "annotations": RERUN,
    }
    f.apply({key: body[key] for key in ("apiVersion", "kind", "metadata", "spec")})


async def test_so_many_reports_are_kept_as_the_experiment_says(fly: Callable[..., Any]) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(duration="10s", historyLimit=2))
        await f.advance("40s")
        for _ in range(3):
            rerun(f)
            await f.advance("40s")
        assert reports(f) == ["ratings-down-3", "ratings-down-4"]


async def test_a_new_experiment_of_an_old_name_counts_on_and_leaves_the_old_reports(
    fly: Callable[..., Any],
) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(duration="10s"))
        await f.advance("40s")
        f.delete("Experiment", "ratings-down", NS)
        await f.advance("10s")
        assert reports(f) == ["ratings-down-1"]
        f.apply(experiment(duration="10s"))
        await f.advance("40s")
        assert verdict(f)[0] == "Succeeded"
        assert reports(f) == ["ratings-down-1", "ratings-down-2"]
        made = f.get("Report", "ratings-down-2", NS).thaw()
        assert "ownerReferences" not in made["metadata"]
        assert made["spec"]["verdict"] == "Succeeded"
        assert len(made["spec"]["conditions"][0]["samples"]) >= 2
