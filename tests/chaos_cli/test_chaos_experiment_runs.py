"""`autopilot experiment` beside a controller that serves experiments."""

import json

from chaos_cli_kit import NS, Shop, ended, experiment, interrupt, said


async def test_a_run_that_succeeds_ends_with_0_and_a_report(shop: Shop) -> None:
    file = shop.write(experiment())
    async with shop.controller():
        done = await shop.autopilot("run", file, "--wait", "--report", "report.html")
        assert done.code == 0, done.err
        assert "Experiment shop/ratings-down: created" in done.out
        assert "Running; " in done.err and " left; errors 0 % (> 10 % fails)" in done.err
        assert "Succeeded: " in done.err
        page = (shop.folder / "report.html").read_text()
        assert "Succeeded" in page and "<svg" in page

        shown = await shop.autopilot("report", "ratings-down", "-n", NS)
        assert shown.code == 0
        assert "shop/ratings-down, run 1" in shown.out and "Succeeded" in shown.out
        listed = await shop.autopilot("list", "-A")
        assert "ratings-down" in listed.out and "Succeeded" in listed.out
    assert shop.faults() == []


async def test_a_run_that_fails_ends_with_1_and_json_is_all_that_standard_output_has(
    shop: Shop,
) -> None:
    file = shop.write(experiment(duration="30s"))
    async with shop.controller():
        process = await shop.start("run", file, "--wait", "-o", "json")
        await said(process, "Running")
        shop.samples.set("error-rate", 0.4)
        done = await ended(process)
    assert done.code == 1, done.err
    report = json.loads(done.out)
    assert report["kind"] == "Report"
    assert report["spec"]["verdict"] == "Failed"
    assert report["spec"]["cause"]["condition"] == "errors"
    assert shop.faults() == []


async def test_what_is_not_allowed_ends_with_2_and_nothing_is_injected(shop: Shop) -> None:
    shop.server.store.merge(
        "namespaces", NS, {"metadata": {"annotations": {"autopilot.mesh/chaos": None}}}
    )
    file = shop.write(experiment())
    async with shop.controller():
        done = await shop.autopilot("run", file, "--wait")
    assert done.code == 2, done.err
    assert "doesn't opt in" in done.err
    assert shop.faults() == []


async def test_anything_else_ends_with_3(shop: Shop) -> None:
    file = shop.write(experiment())
    shop.samples.no_data("error-rate")
    async with shop.controller():
        done = await shop.autopilot("run", file, "--wait")
        control = shop.write(
            experiment("control", faults=[], failureConditions=[], observeOnly=True, duration="1s")
        )
        completed = await shop.autopilot("run", control, "--wait")
    assert done.code == 3, done.err
    assert "Inconclusive: " in done.err
    assert completed.code == 3, completed.err
    assert "Completed" in completed.err


async def test_ctrl_c_aborts_and_waits_until_the_fault_is_gone(shop: Shop) -> None:
    file = shop.write(experiment(duration="10m"))
    async with shop.controller():
        process = await shop.start("run", file, "--wait")
        await said(process, "Running")
        assert shop.faults()
        interrupt(process)
        done = await ended(process)
        assert done.code == 130
        assert "interrupted: aborted: its fault is being removed" in done.err
        assert "Aborted: aborted: interrupted" in done.err
        assert shop.faults() == []


async def test_what_is_left_goes_on_without_whoever_began_it(shop: Shop) -> None:
    file = shop.write(experiment(duration="10m"))
    async with shop.controller():
        process = await shop.start("run", file, "--wait", "--leave")
        await said(process, "Running")
        interrupt(process)
        done = await ended(process)
        assert done.code == 130
        assert "the experiment goes on" in done.err
        assert shop.status("ratings-down")["phase"] == "Running"

        ordered = await shop.autopilot("abort", "ratings-down", "-n", NS, "--reason", "seen enough")
        assert ordered.code == 0, ordered.err
        await shop.until_phase("ratings-down", "Aborted")
        assert shop.status("ratings-down")["cause"]["message"] == "aborted: seen enough"
        again = await shop.autopilot("abort", "ratings-down", "-n", NS)
        assert (again.code, "is over: Aborted" in again.err) == (2, True)


async def test_a_time_out_aborts_the_run(shop: Shop) -> None:
    file = shop.write(experiment(duration="10m"))
    async with shop.controller():
        done = await shop.autopilot("run", file, "--wait", "--timeout", "4s")
    assert done.code == 3, done.err
    assert "no verdict in 4s: aborted" in done.err
    assert shop.faults() == []


async def test_each_run_has_a_report_of_its_own_and_the_file_says_what_is_run(shop: Shop) -> None:
    file = shop.write(experiment(duration="1s"))
    async with shop.controller():
        first = await shop.autopilot("run", file, "--wait")
        shop.write(experiment(duration="2s"))
        second = await shop.autopilot("run", file, "--wait")
        third = await shop.autopilot("rerun", "ratings-down", "-n", NS, "--wait")
        assert [first.code, second.code, third.code] == [0, 0, 0], third.err
        assert "runs once more" in second.out
        every = await shop.autopilot("report", "ratings-down", "-n", NS, "--all")
        assert every.out.count("Succeeded") == 3
        data = []
        for number in ("1", "3"):
            shown = await shop.autopilot(
                "report", "ratings-down", "-n", NS, "--run", number, "-o", "json"
            )
            data.append(json.loads(shown.out)["spec"])
    assert [one["spec"]["duration"] for one in data] == ["1s", "2s"]
    assert data[0]["phases"][-1]["at"] < data[1]["phases"][0]["at"]


async def test_one_that_is_at_work_is_not_begun_a_second_time(shop: Shop) -> None:
    file = shop.write(experiment(duration="10m"))
    async with shop.controller():
        assert (await shop.autopilot("run", file)).code == 0
        await shop.until_phase("ratings-down", "Running")
        for arguments in (["run", file], ["rerun", "ratings-down", "-n", NS]):
            done = await shop.autopilot(*arguments)
            assert done.code == 2
            assert "is in Running" in done.err
        await shop.autopilot("abort", "ratings-down", "-n", NS)
        await shop.until_phase("ratings-down", "Aborted")
