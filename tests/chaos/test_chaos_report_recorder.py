from typing import Any

from chaos_records import at, failed, point, run, success

from autopilot.operators.chaos.report_model import Cause, PhaseEntry, RunRecord
from autopilot.operators.chaos.report_recorder import MOST_POINTS, ReportRecorder
from autopilot.operators.chaos.report_thin import RUNNING_BYTES, size
from autopilot.runtime.result import Keep

OPEN = run(conditions=(success(),))


def began(**more: Any) -> ReportRecorder:
    recorder = ReportRecorder()
    recorder.begin(OPEN, **more)
    return recorder


def written(outputs: Any) -> RunRecord:
    return RunRecord.from_body(outputs[0])


def test_the_first_report_is_due_at_once_and_the_next_after_some_seconds() -> None:
    recorder = began()
    assert recorder.checkpoint("u-1", at(0)) is not None
    recorder.sample("u-1", "success", point(1, 1.0))
    assert recorder.checkpoint("u-1", at(1)) is None
    later = recorder.checkpoint("u-1", at(5))
    assert later is not None
    assert written(later).conditions[0].points == (point(1, 1.0),)


def test_nothing_is_written_while_nothing_has_changed() -> None:
    recorder = began()
    recorder.checkpoint("u-1", at(0))
    recorder.phase("u-1", PhaseEntry("Running", at(1)))
    assert recorder.checkpoint("u-1", at(10)) is not None
    recorder.phase("u-1", PhaseEntry("Running", at(12), "again"))
    recorder.note("u-1", verdict="")
    assert recorder.checkpoint("u-1", at(20)) is None


def test_a_wall_clock_that_is_put_back_holds_no_report_up() -> None:
    recorder = began()
    recorder.checkpoint("u-1", at(1000))
    recorder.sample("u-1", "success", point(1, 1.0))
    assert recorder.checkpoint("u-1", at(0)) is not None


def test_the_same_poll_counts_once() -> None:
    recorder = began()
    for seconds in (1, 1, 2, 1.5, 2):
        recorder.sample("u-1", "success", point(seconds, 1.0))
    record = recorder.record("u-1")
    assert record is not None
    assert [one.at for one in record.conditions[0].points] == [at(1), at(2)]


def test_to_begin_again_changes_nothing_of_a_run_that_is_known() -> None:
    recorder = began()
    recorder.sample("u-1", "success", point(1, 0.4))
    recorder.begin(OPEN)
    record = recorder.record("u-1")
    assert record is not None
    assert record.conditions[0].points == (point(1, 0.4),)


def test_samples_of_two_runs_never_mix() -> None:
    recorder = began()
    recorder.sample("u-1", "success", point(1, 0.4))
    recorder.begin(run(run=2, conditions=(success(),)), stored=failed().to_body())
    record = recorder.record("u-1")
    assert record is not None
    assert (record.run, record.conditions[0].points, record.cause) == (2, (), None)


def test_a_new_process_goes_on_from_the_report_that_the_old_one_left() -> None:
    old = began()
    old.phase("u-1", PhaseEntry("Running", at(2)))
    old.sample("u-1", "success", point(3, 0.95))
    body = written(old.checkpoint("u-1", at(3))).to_body()

    new = ReportRecorder()
    new.begin(run(started=at(4), conditions=(success(),)), stored=body)
    new.sample("u-1", "success", point(6, 0.5))
    last = written(new.finish("u-1", at(8)))
    assert last.started == at(0)
    assert last.phases == (PhaseEntry("Running", at(2)),)
    assert last.conditions[0].points == (point(3, 0.95), point(6, 0.5))
    assert last.ended == at(8)


def test_a_report_that_somebody_has_spoilt_is_written_anew() -> None:
    recorder = began(stored={"metadata": {"name": "x"}, "spec": {"run": 1}})
    assert written(recorder.checkpoint("u-1", at(1))).started == at(0)


def test_the_end_may_be_told_twice_and_stays_the_same() -> None:
    recorder = began()
    recorder.note("u-1", verdict="Failed", cause=Cause("it broke"))
    first = recorder.finish("u-1", at(9))
    assert recorder.finish("u-1", at(11)) == first
    assert (written(first).verdict, written(first).ended) == ("Failed", at(9))


def test_so_many_reports_are_kept_as_the_experiment_says() -> None:
    recorder = ReportRecorder()
    recorder.begin(run(run=9, conditions=(success(),)), keep=4)
    outputs = recorder.finish("u-1", at(1))
    assert outputs is not None
    assert outputs[1:] == [
        Keep("ratings-abort-6"),
        Keep("ratings-abort-7"),
        Keep("ratings-abort-8"),
    ]
    recorder.begin(run(run=9, conditions=(success(),)), keep=1)
    again = recorder.finish("u-1", at(1))
    assert again is not None
    assert len(again) == 1


def test_an_unknown_run_has_nothing_to_write() -> None:
    recorder = began()
    recorder.forget("u-1")
    recorder.sample("u-1", "success", point(1, 1.0))
    recorder.phase("u-1", PhaseEntry("Running", at(1)))
    recorder.note("u-1", verdict="Failed")
    assert recorder.checkpoint("u-1", at(9)) is None
    assert recorder.finish("u-1", at(9)) is None


def test_a_run_of_a_day_stays_small_in_memory_and_keeps_its_worst_poll() -> None:
    recorder = began()
    for n in range(2 * MOST_POINTS):
        recorder.sample("u-1", "success", point(n * 2, 0.123 if n == 777 else 0.99))
    record = recorder.record("u-1")
    assert record is not None
    (one,) = record.conditions
    assert len(one.points) <= MOST_POINTS
    assert len(one.points) + one.dropped == 2 * MOST_POINTS
    running = written(recorder.checkpoint("u-1", at(0)))
    assert size(running) <= RUNNING_BYTES
    assert min(p.value or 1 for p in running.conditions[0].points) == 0.123
