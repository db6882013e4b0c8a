"""The reasons that the runtime itself gives in conditions and Events; authors give their own."""

from __future__ import annotations

READY = "Ready"
"""Condition: the last sync of the present spec went well."""

STALLED = "Stalled"
"""Condition: nothing goes on until a person changes something."""

CONFLICT = "Conflict"
"""Condition and reason: somebody else holds what is wanted."""

CONTESTED = "Contested"
"""Condition and reason: somebody changes what is held again and again; hands are off it."""

HALTED = "Halted"
"""Condition and reason: an order to halt stands above all workers and writes."""

UNLATCHED = "Unlatched"

PAUSED = "Paused"
"""Condition and reason: the annotation holds workers and writes."""

WORKER_FAILED = "WorkerFailed"
WORKER_OVERRAN = "WorkerOverran"
INPUT_MISSING = "InputMissing"
RETRYING = "Retrying"
INPUTS_UNAVAILABLE = "InputsUnavailable"
WRITE_FAILED = "WriteFailed"
NOT_OURS = "NotOurs"
FORBIDDEN = "Forbidden"
REJECTED = "Rejected"
TERMINAL = "Terminal"

INVALID_SPEC = "InvalidSpec"
INVALID_STATUS = "InvalidStatus"
NO_RESULT = "NoResult"
UNDECLARED_PHASE = "UndeclaredPhase"
ILLEGAL_TRANSITION = "IllegalTransition"
UNDECLARED_OUTPUT = "UndeclaredOutput"
INVALID_OUTPUT = "InvalidOutput"
RETURNED_INPUT = "ReturnedInput"
UNDECLARED_ACTION = "UndeclaredAction"
INVALID_ACTION = "InvalidAction"
RESERVED_STATUS = "ReservedStatus"
UNKNOWN_PHASE = "UnknownPhase"

TARGET_MISSING = "TargetMissing"
PHASE_GONE = "PhaseGone"
KEPT = "Kept"

INITIALIZED = "Initialized"
FINALIZED = "Finalized"
REPAIRED = "Repaired"
