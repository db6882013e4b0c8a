"""What a sync read, decided and changed: for the log, for the demo's record, for a replay."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from autopilot.base.logs import fields
from autopilot.runtime.reasons import INPUT_MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from autopilot.runtime.result import Result
    from autopilot.telemetry.sample import Sample

_log = logging.getLogger("autopilot.decision")

DECISION = "decision"
"""The message of the one log line of a decision."""


STATUS = "status: "
"""How a change of the author's own status fields begins, among the changes of a sync."""


class Key(NamedTuple):
    """One resource.

    Attributes:
        kind: The primary kind, like `canaries.example.io`.
        namespace: Empty for cluster-scoped kinds.
        name: metadata.name.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(slots=True)
class SyncRecord:
    """One sync.

    Attributes:
        key: Whose.
        sync: A number that is unique in this process, in every log line of the sync.
        at: When it began (wall clock).
        phase: The phase that the worker ran in.
        due: Whether the timer fired or the phase was new.
        inputs: Names of what was there (at most 50), per input that the worker asked for.
        samples: Each answer with the judgements that the worker made on it.
        result: What the worker returned; None when it didn't.
        enter: The phase entered; None when it stayed.
        reason: For the condition.
        message: For a person.
        changes: What was written, each in a few words.
        error: What went wrong; empty when nothing did.
    """

    key: Key
    sync: int
    at: datetime
    phase: str
    due: bool
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    result: Result[Any] | None = None
    enter: str | None = None
    reason: str = ""
    message: str = ""
    changes: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def gist(self) -> tuple[Any, ...]:
        """What makes a decision a new one: its outcome and its verdicts, not its numbers."""
        verdicts = tuple(
            (sample.query, sample.why, judged.relation, judged.limit, judged.verdict)
            for sample in self.samples
            for judged in sample.judgements
        )
        return (self.phase, self.enter, self.reason, self.error, verdicts)

    def report(self, before: tuple[Any, ...] | None, *, dry_run: bool = False) -> None:
        """Write the decision's log line; quietly when it changes nothing and says nothing new.

        A failure is a warning; an input that isn't there yet is no failure.

        Args:
            before: The gist of this resource's last decision.
            dry_run: Whether the changes were only thought of.
        """
        # A status that only counts on, with nothing said, is no news.
        told = bool(self.message) or any(not each.startswith(STATUS) for each in self.changes)
        news = self.gist != before or (bool(self.changes) and told and not dry_run)
        loud = logging.WARNING if self.error and self.reason != INPUT_MISSING else logging.INFO
        _log.log(
            loud if news else logging.DEBUG,
            DECISION,
            extra=fields(
                resource=str(self.key),
                kind=self.key.kind,
                sync=self.sync,
                phase=self.phase,
                next=self.enter or self.phase,
                due=self.due,
                reason=self.reason,
                message=self.message,
                reads=[describe_sample(sample) for sample in self.samples],
                changes=self.changes,
                **({"error": self.error} if self.error else {}),
                **({"dry_run": True} if dry_run else {}),
            ),
        )


def describe_sample(sample: Sample) -> dict[str, Any]:
    """A sample as plain data, for logs and records."""
    told: dict[str, Any] = {
        "query": sample.query,
        "promql": sample.promql,
        "value": sample.value,
        "at": sample.at.isoformat() if sample.at else None,
        "verdict": sample.judgements[-1].verdict.value if sample.judgements else None,
        "judged": [
            {"relation": judged.relation, "limit": judged.limit, "verdict": judged.verdict.value}
            for judged in sample.judgements
        ],
    }
    if sample.requests is not None:
        told["requests"] = sample.requests
    if sample.value is None:
        told["why"] = str(sample.why)
        told["detail"] = sample.detail
    return told
