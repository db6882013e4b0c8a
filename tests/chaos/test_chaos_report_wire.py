from dataclasses import replace

import pytest
from chaos_records import at, failed, point, run, success

from autopilot.base.errors import InvalidInput
from autopilot.operators.chaos.report_crd import report_crd
from autopilot.operators.chaos.report_model import Point, RunRecord, next_run, report_key
from autopilot.verdict.verdict import Verdict


def test_a_report_that_is_stored_and_read_says_the_same() -> None:
    record = failed()
    assert RunRecord.from_body(record.to_body()) == record


def test_a_report_of_a_run_that_goes_on_has_no_end_and_no_verdict() -> None:
    record = run(conditions=(success(point(1, 0.5)),))
    body = record.to_body()
    assert {"ended", "verdict", "cause", "recovery"}.isdisjoint(body["spec"])
    assert RunRecord.from_body(body) == record


def test_a_report_is_named_after_its_experiment_and_run_and_labelled() -> None:
    body = run(run=7).to_body()
    assert body["metadata"] == {
        "name": "ratings-abort-7",
        "namespace": "shop",
        "labels": {"autopilot.mesh/experiment": "ratings-abort"},
    }
    assert report_key(body) == ("shop", "ratings-abort")
    assert run(experiment="x" * 64).to_body()["metadata"]["labels"] == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_never_written_as_one(value: float) -> None:
    odd = Point(at(1), value, "not a finite number", Verdict.UNKNOWN)
    body = run(conditions=(success(odd),)).to_body()
    assert body["spec"]["conditions"][0]["samples"] == [{"at": 1.0, "why": "not a finite number"}]


def test_what_a_later_version_writes_besides_is_passed_over() -> None:
    body = failed().to_body()
    body["spec"]["later"] = {"a": 1}
    body["spec"]["conditions"][0]["samples"][0]["odd"] = True
    assert RunRecord.from_body(body) == failed()


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (None, "spec"),
        ({"experiment": "x", "run": "many", "started": "2026-03-01T12:00:00Z"}, "spec.run"),
        ({"experiment": "x", "run": 1, "started": "yesterday"}, "spec.started"),
    ],
)
def test_what_is_no_report_says_where(spec: object, where: str) -> None:
    with pytest.raises(InvalidInput, match=where):
        RunRecord.from_body({"metadata": {"name": "x-1"}, "spec": spec})


def test_a_new_run_gets_a_number_that_no_report_has() -> None:
    earlier = [replace(failed(), run=n).to_body() for n in (3, 11, 9)]
    assert next_run(0, []) == 1
    assert next_run(4, earlier) == 12
    assert next_run(20, earlier) == 21
    assert next_run(0, [{"spec": {"run": "odd"}}, {}]) == 1


def test_the_crd_has_no_defaults_that_a_server_would_write_into_each_sample() -> None:
    (version,) = report_crd()["spec"]["versions"]
    assert "default" not in str(version["schema"])
    assert "subresources" not in version
    assert set(version["schema"]["openAPIV3Schema"]["required"]) == {"spec"}
