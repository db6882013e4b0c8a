"""What is recorded of one run of an experiment, and how a Report spells it.

How a worker records: `recorder.begin` (as often as it likes: a run that is known stays), then
`sample`, `phase` and `note` as things happen. With each answer it returns
`outputs={"reports": recorder.checkpoint(uid, now)}`, which is None while nothing is to be written,
and once, with the answer that ends the run, `outputs={"reports": recorder.finish(uid, now)}`. As
outputs are written before the phase, the Report stands before the status says that it is over.
The phases declare `Output("reports", REPORTS, record=True)`, which marks by labels alone, and
`Input("reports", REPORTS, namespace="*", index=report_key)`, in which a restarted process finds
what it resumes from (`begin(…, stored=body)`) and a new run its number (`next_run`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from autopilot.kube.kinds import ResourceType
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

REPORTS = ResourceType("autopilot.mesh", "v1alpha1", "reports", "Report")

EXPERIMENT = "autopilot.mesh/experiment"
"""Label on a Report: its experiment's name, where it is short enough for a label."""

MOST_NAME = 240
"""Characters of an experiment's name, so that a Report's fits into 253."""


@dataclass(frozen=True, slots=True)
class PhaseEntry:
    """A phase that the run entered.

    Attributes:
        phase: Its name.
        at: When.
        message: Why, for a person.
    """

    phase: str
    at: datetime
    message: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One poll of a failure condition.

    Attributes:
        at: When the data was scraped, or the poll was made where there is none.
        value: In the condition's unit; None where it isn't known. Never NaN.
        why: Why it isn't known, or what a webhook answered.
        verdict: TRUE where the value is one that fails the experiment (one poll of `forPolls`).
    """

    at: datetime
    value: float | None
    why: str = ""
    verdict: Verdict = Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class ConditionRecord:
    """A failure condition and what was seen of it.

    Attributes:
        name: As in the spec, or made up from the index.
        reads: What it reads, for people: `success rate over 1m`, a query, a URL without userinfo.
        operator: `<`, `>=` …; empty for a webhook.
        threshold: In the unit; None for a webhook.
        unit: `ratio`, `ms`; empty for a query's plain number.
        for_polls: How many polls in a row make it trip.
        points: In the order of time.
        dropped: How many points were thinned out.
    """

    name: str
    reads: str
    operator: str = ""
    threshold: float | None = None
    unit: str = ""
    for_polls: int = 1
    points: tuple[Point, ...] = ()
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Cause:
    """What caused the verdict.

    Attributes:
        message: In a sentence.
        condition: The failure condition; empty where something else decided.
        value: The value that decided it; None where there is none.
        at: When it was seen.
    """

    message: str
    condition: str = ""
    value: float | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """The evidence that the fault was seen to bite, as the callers' proxies counted it.

    Attributes:
        requests: Requests to the target while the fault was on.
        faulted: Those that carried the fault's flag.
        flag: Envoy's response flag: `FI` for an abort, `DI` for a delay, or both.
        at: When it was first seen.
        message: For a person: what was found, or why nobody can tell.
    """

    requests: float
    faulted: float
    flag: str
    at: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Recovery:
    """How the end of the fault was checked.

    Attributes:
        seconds: From the order to remove it until nothing of it was left, in objects and telemetry.
        removed: When the objects carried nothing of it any more.
        message: For a person: what was checked.
    """

    seconds: float
    removed: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class OverlayRecord:
    """One change that was made to an object, or undone.

    Attributes:
        object: `VirtualService shop/ratings`.
        change: For a person: `fault on route 0: abort 100% with 500`.
        made: When; None where it wasn't seen.
        undone: When; None where it wasn't (yet).
    """

    object: str
    change: str
    made: datetime | None = None
    undone: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExpectRecord:
    """How another autopilot did.

    Attributes:
        what: `rule shop/checkout-failover in Standby within 20s`.
        met: FALSE once its time is over; UNKNOWN while it may still be, or was never judged.
        after: Seconds from the injection until it was seen; None where it wasn't.
        message: For a person: what was seen last.
    """

    what: str
    met: Verdict = Verdict.UNKNOWN
    after: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run.

    Attributes:
        experiment: The experiment's name.
        namespace: Its namespace, and the Report's.
        uid: Its uid.
        run: Counted from 1.
        spec: The experiment's spec as it was in this run, as on the wire.
        started: When the run began.
        ended: When the verdict's phase was due; None while it goes on.
        phases: In the order of time.
        conditions: In the order of the spec.
        verdict: Succeeded, Failed, Aborted, Inconclusive, Error or Completed; empty while open.
        cause: What caused it; None while open.
        effect: Whether the fault bit; None where that wasn't looked at.
        recovery: None until it is over, or where nothing was injected.
        overlays: What was changed in the mesh.
        expects: In the order of the spec.
    """

    experiment: str
    namespace: str
    uid: str
    run: int
    spec: Mapping[str, Any]
    started: datetime
    ended: datetime | None = None
    phases: tuple[PhaseEntry, ...] = ()
    conditions: tuple[ConditionRecord, ...] = ()
    verdict: str = ""
    cause: Cause | None = None
    effect: Effect | None = None
    recovery: Recovery | None = None
    overlays: tuple[OverlayRecord, ...] = ()
    expects: tuple[ExpectRecord, ...] = field(default=())

    @property
    def name(self) -> str:
        """The Report's name."""
        return report_name(self.experiment, self.run)

    def to_body(self) -> dict[str, Any]:
        """The Report, as it is applied. Not thinned: see `report_thin`."""
        from autopilot.operators.chaos.report_wire import to_body

        return to_body(self)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> RunRecord:
        """Read a Report.

        Raises:
            InvalidInput: It isn't one.
        """
        from autopilot.operators.chaos.report_wire import from_body

        return from_body(body)


class Recorder(Protocol):
    """Collects what happens in runs, one per experiment at a time, and says when to write it."""

    def begin(
        self, record: RunRecord, *, keep: int = 20, stored: Mapping[str, Any] | None = None
    ) -> None:
        """Start recording a run, or go on with it.

        Args:
            record: The run with its conditions, none of which has points yet. Where this run is
                being recorded already, nothing happens; an older run of that uid is dropped.
            keep: How many Reports the experiment keeps, this one included.
            stored: The Report of this very run as the cluster has it, after a restart: its points,
                phases and findings are taken up.
        """

    def sample(self, uid: str, condition: str, point: Point) -> None:
        """Add a poll. The same poll twice (by its time) counts once; an unknown run is passed by.

        Args:
            uid: The experiment's.
            condition: The failure condition's name.
            point: The poll.
        """

    def phase(self, uid: str, entry: PhaseEntry) -> None:
        """Add a phase. The one that stands last isn't added again."""

    def note(self, uid: str, **findings: Any) -> None:
        """Set fields of the record: verdict, cause, effect, recovery, overlays, expects."""

    def checkpoint(self, uid: str, now: datetime) -> Sequence[Any] | None:
        """What to return as the output `reports`; None while nothing is due.

        The first call after `begin` is due, then one every few seconds if something has changed.
        """

    def finish(self, uid: str, now: datetime) -> Sequence[Any] | None:
        """The same with the final Report, always; None for an unknown run."""

    def forget(self, uid: str) -> None:
        """Let go of a run, once the phase of its verdict is entered or its experiment is gone."""


def report_name(experiment: str, run: int) -> str:
    """A Report's name.

    Args:
        experiment: The experiment's name.
        run: Counted from 1.
    """
    return f"{experiment}-{run}"


def report_key(body: Mapping[str, Any]) -> tuple[str, str]:
    """What Reports are looked up by: the namespace and name of their experiment."""
    namespace = (body.get("metadata") or {}).get("namespace")
    return str(namespace or ""), str((body.get("spec") or {}).get("experiment") or "")


def next_run(last: int, reports: Iterable[Mapping[str, Any]]) -> int:
    """The number of a new run: higher than any that is reported already.

    Args:
        last: The number in the experiment's status; 0 for none.
        reports: Its Reports, those of an earlier experiment of its name among them.
    """
    known = [(body.get("spec") or {}).get("run") for body in reports]
    return max([last, *(run for run in known if isinstance(run, int))]) + 1
