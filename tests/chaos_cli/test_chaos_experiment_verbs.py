"""`autopilot experiment` where no controller runs: files, plans, reports, what is refused."""

import json
from typing import Any

from chaos_cli_kit import NS, Shop, experiment

WRONG = """\
apiVersion: autopilot.mesh/v1alpha1
kind: Experiment
metadata: {name: Bad_Name}
spec:
  target: {service: ratings}
  fualts: []
  pollInterval: 10ms
  failureConditions:
    - trigger: {errorRate: {}}
      threshold: 0.1
    - trigger: {promql: up, webhook: {url: "http://x"}}
"""


async def test_every_error_of_a_file_is_told_at_once_with_its_line(shop: Shop) -> None:
    (shop.folder / "wrong.yaml").write_text(WRONG)
    for verb in ("validate", "plan", "run"):
        done = await shop.autopilot(verb, "wrong.yaml")
        assert done.code == 2
        for text in (
            "wrong.yaml:3: metadata.name: 'Bad_Name' is no name",
            "wrong.yaml:6: spec.fualts: unknown key; did you mean 'faults'?",
            "wrong.yaml:7: spec.pollInterval: is too short",
            "wrong.yaml:9: spec.failureConditions[0]",
            "wrong.yaml:11: spec.failureConditions[1].trigger",
        ):
            assert text in done.err
    assert shop.server.store.list("experiments.autopilot.mesh", NS) == []


async def test_validate_takes_folders_and_passes_other_kinds_over(shop: Shop) -> None:
    (shop.folder / "all").mkdir()
    shop.write(experiment(), "all/one.yaml")
    shop.write({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}, "all/cm.yml")
    done = await shop.autopilot("validate", "all")
    assert done.code == 0, done.err
    assert done.out == "all/one.yaml: ratings-down: 1 failure condition: ok\n"
    assert "ConfigMap isn't an Experiment of autopilot.mesh; skipped" in done.err
    twice = await shop.autopilot("validate", "all", "all/one.yaml", "-o", "json")
    assert twice.code == 2
    assert "is there twice" in json.loads(twice.out)["problems"][0]["message"]


async def test_two_experiments_are_not_one_run(shop: Shop) -> None:
    file = shop.write(experiment())
    text = (shop.folder / file).read_text()
    (shop.folder / file).write_text(text + "---\n" + text.replace("ratings-down", "other"))
    done = await shop.autopilot("run", file)
    assert done.code == 2
    assert "holds 2 experiments" in done.err


async def test_a_plan_shows_target_changes_and_that_nothing_forbids_it(shop: Shop) -> None:
    before = shop.server.store.version
    done = await shop.autopilot("plan", shop.write(experiment()))
    assert done.code == 0, done.err
    for text in (
        "Service shop/ratings  2 ready endpoints",
        "100 % aborted with 500",
        "error rate of reviews over 10s > 10 %",
        "VirtualService shop/ratings",
        "+  fault:",
        "+      httpStatus: 500",
        "nothing forbids it",
    ):
        assert text in done.out, done.out
    assert shop.server.store.version == before


async def test_a_plan_tells_what_would_be_refused(shop: Shop) -> None:
    shop.server.store.merge(
        "namespaces", NS, {"metadata": {"annotations": {"autopilot.mesh/chaos": None}}}
    )
    theirs: dict[str, Any] = {"abort": {"httpStatus": 418, "percentage": {"value": 1}}}
    route = {"route": [{"destination": {"host": "ratings"}}], "fault": theirs}
    shop.server.store.merge(
        "virtualservices.networking.istio.io", "ratings", {"spec": {"http": [route]}}, NS
    )
    file = shop.write(experiment())
    done = await shop.autopilot("plan", file)
    assert done.code == 2
    assert "doesn't opt in" in done.out
    assert done.out.count("refused: ") == 2
    data = await shop.autopilot("plan", file, "-o", "json")
    assert len(json.loads(data.out)[0]["refused"]) == 2


async def test_a_plan_minds_the_limits_of_an_installation(shop: Shop) -> None:
    (shop.folder / "c.yaml").write_text("config: {chaos: {maxPercentage: 25%}}\n")
    done = await shop.autopilot("plan", shop.write(experiment()), "--config", "c.yaml")
    assert done.code == 2
    assert "25 % is the most that the installation allows" in done.out


async def test_where_nobody_serves_it_that_is_said(shop: Shop) -> None:
    done = await shop.autopilot("run", shop.write(experiment()), "--wait", "--timeout", "16s")
    assert done.code == 3
    assert "does an autopilot controller run?" in done.err
    assert "whichever controller does will end it first" in done.err
    found = shop.server.store.find("experiments.autopilot.mesh", "ratings-down", NS)
    assert found is not None
    assert "autopilot.mesh/abort" in found["metadata"]["annotations"]


async def test_a_report_outlives_its_experiment_and_says_which_runs_there_are(shop: Shop) -> None:
    for number, verdict in ((1, "Failed"), (2, "Succeeded")):
        shop.create(
            {
                "apiVersion": "autopilot.mesh/v1alpha1",
                "kind": "Report",
                "metadata": {
                    "name": f"gone-{number}",
                    "namespace": NS,
                    "labels": {"autopilot.mesh/experiment": "gone"},
                },
                "spec": {
                    "experiment": "gone",
                    "run": number,
                    "verdict": verdict,
                    "started": "2026-03-01T12:00:00Z",
                },
            }
        )
    last = await shop.autopilot("report", "gone", "-n", NS)
    assert "gone, run 2" in last.out and "Succeeded" in last.out
    page = await shop.autopilot("report", "gone", "-n", NS, "--run", "1", "-f", "r.md")
    assert page.code == 0, page.err
    assert (shop.folder / "r.md").read_text().startswith("# shop/gone, run 1: Failed")
    other = await shop.autopilot("report", "gone", "-n", NS, "--run", "7")
    assert other.code == 1
    assert "there are: 1, 2" in other.err
    none = await shop.autopilot("report", "nobody", "-n", NS)
    assert (none.code, "there is no Report of Experiment shop/nobody" in none.err) == (1, True)


async def test_what_is_suspended_is_not_run(shop: Shop) -> None:
    done = await shop.autopilot("run", shop.write(experiment(suspend=True)))
    assert (done.code, "spec.suspend: nothing would begin" in done.err) == (2, True)


async def test_flags_of_waiting_need_wait(shop: Shop) -> None:
    file = shop.write(experiment())
    for flags in (["--timeout", "3s"], ["--leave"], ["-o", "json"], ["--report", "x.md"]):
        done = await shop.autopilot("run", file, *flags)
        assert (done.code, "go with --wait" in done.err) == (2, True)
    done = await shop.autopilot("run", file, "--wait", "--report", "x.pdf")
    assert (done.code, "ends in .html, .md or .json" in done.err) == (2, True)
