"""What a rule remembers between two judgements, as its status keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.verdict.hold import Held
from autopilot.verdict.memory import CHECKPOINT, Memory, Progress

if TYPE_CHECKING:
    from autopilot.rules.program import Program

_HIGHEST = 1000


@dataclass(frozen=True, slots=True)
class State:
    """A rule's state. What belongs to another phase than the present one counts for nothing.

    Attributes:
        phase: Of which phase.
        memory: What its transitions have counted, and failed visits.
        rung: Where its ladders stand, from 0.
        dwelt: How long the rung has been stood on with `while` known to be true.
    """

    phase: str
    memory: Memory = field(default_factory=Memory)
    rung: int = 0
    dwelt: Held = field(default_factory=Held)

    @classmethod
    def begin(cls, program: Program) -> State:
        """A program's very beginning."""
        return cls(program.initial, Memory(program.initial))

    def within(self, phase: str) -> State:
        """The state of a phase: this one, or a new visit of which only failed ones are known.

        A process that was killed between writing state and phase leaves the two apart; whatever
        was counted for the other phase is then forgotten, which makes nothing happen earlier.
        """
        if self.phase == phase:
            return self
        return State(phase, Memory(phase, failed=self.memory.failed))

    def to_status(self) -> dict[str, Any]:
        """As a status keeps it; what is empty is left out, seconds are rounded down."""
        kept = {**self.memory.to_status(), "phase": self.phase}
        if self.rung:
            kept["rung"] = self.rung
        if self.dwelt != Held():
            kept["dwelt"] = self.dwelt.to_status()
        return kept

    @classmethod
    def from_status(cls, kept: object, phase: str) -> State:
        """The state of a phase, from what a status kept; whatever makes no sense is passed over.

        Args:
            kept: What `to_status` made, or anything that a hand may have written.
            phase: The phase that the resource is in.
        """
        if not isinstance(kept, Mapping):
            return cls(phase, Memory(phase))
        memory, rung, dwelt = Memory.from_status(kept), kept.get("rung"), kept.get("dwelt")
        sound = isinstance(rung, int) and not isinstance(rung, bool) and 0 <= rung <= _HIGHEST
        found = cls(
            memory.phase,
            memory,
            rung if sound and isinstance(rung, int) else 0,
            Held.from_status(dwelt) if isinstance(dwelt, Mapping) else Held(),
        )
        return found.within(phase)

    def worth_keeping(self, kept: State, every: float = CHECKPOINT) -> bool:
        """Whether a status that holds `kept` should be written anew; see `Memory`."""
        if (self.phase, self.rung) != (kept.phase, kept.rung):
            return True
        dwells = (self._dwell_as_progress(), kept._dwell_as_progress())
        return self.memory.worth_keeping(kept.memory, every) or dwells[0].worth_keeping(
            dwells[1], every
        )

    def _dwell_as_progress(self) -> Memory:
        return Memory(progress={"dwell": Progress(self.dwelt)})
