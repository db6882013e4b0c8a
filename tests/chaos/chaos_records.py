"""Records of runs, for the tests of reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

from autopilot.operators.chaos.report_model import (
    Cause,
    ConditionRecord,
    Effect,
    ExpectRecord,
    OverlayRecord,
    PhaseEntry,
    Point,
    Recovery,
    RunRecord,
)
from autopilot.verdict.verdict import Verdict

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def point(seconds: float, value: float | None, *, limit: float = 0.9, why: str = "") -> Point:
    verdict = Verdict.of(None if value is None else value < limit)
    return Point(at(seconds), value, why or ("" if value is not None else "no data"), verdict)


def success(*points: Point) -> ConditionRecord:
    reads = "success rate over 30s"
    return ConditionRecord("success", reads, "<", 0.9, "ratio", 2, tuple(points))


def run(**more: Any) -> RunRecord:
    given: dict[str, Any] = {
        "experiment": "ratings-abort",
        "namespace": "shop",
        "uid": "u-1",
        "run": 1,
        "spec": {
            "target": {"service": "ratings"},
            "from": ["reviews"],
            "faults": [
                {"abort": {"httpStatus": 500}},
                {"delay": {"duration": "2s", "percentage": 5}},
            ],
        },
        "started": T0,
        **more,
    }
    return RunRecord(**given)


def failed() -> RunRecord:
    """A run that failed, with something in every part of it."""
    latency = ConditionRecord(
        "slow",
        "latency p99 over 30s",
        ">",
        800.0,
        "ms",
        1,
        (Point(at(2), 41.5, "", Verdict.FALSE), Point(at(7), None, "no data", Verdict.UNKNOWN)),
    )
    hook = ConditionRecord(
        "webhook",
        "POST http://checks.shop/ok",
        points=(
            Point(at(3), 200.0, "200 OK", Verdict.FALSE),
            Point(at(8), 503.0, "503 <nothing> here", Verdict.TRUE),
        ),
    )
    return run(
        ended=at(16.5),
        phases=(
            PhaseEntry("Checking", at(0), "the steady state is looked at"),
            PhaseEntry("Injecting", at(4), ""),
            PhaseEntry("Verifying", at(4.2), ""),
            PhaseEntry("Running", at(6), "ratings aborts 100% | with 500"),
            PhaseEntry("Recovering", at(12), "success is 0.61, below 0.9"),
        ),
        conditions=(
            success(point(1, 1), point(6, 0.97), point(9, 0.84), point(12, 0.61)),
            latency,
            hook,
        ),
        verdict="Failed",
        cause=Cause("success is 0.61, below 0.9 for 2 polls", "success", 0.61, at(12)),
        effect=Effect(412, 411, "FI", at(5), "411 of 412 requests carried FI"),
        recovery=Recovery(3.25, at(13), "no mark is left; no request carried FI for 2s"),
        overlays=(OverlayRecord("VirtualService shop/ratings", "abort 100%", at(4), at(13)),),
        expects=(
            ExpectRecord("rule shop/failover in Standby within 20s", Verdict.TRUE, 7.5, "Standby"),
            ExpectRecord("canary web rolled back", Verdict.FALSE, None, "it is in Running"),
        ),
    )
