"""The phases of an experiment and the ways between them."""

from __future__ import annotations

PENDING = "Pending"
CHECKING = "Checking"
INJECTING = "Injecting"
VERIFYING = "Verifying"
RUNNING = "Running"
RECOVERING = "Recovering"
RECOVERY_FAILED = "RecoveryFailed"

SUCCEEDED = "Succeeded"
FAILED = "Failed"
ABORTED = "Aborted"
INCONCLUSIVE = "Inconclusive"
ERROR = "Error"
COMPLETED = "Completed"

VERDICTS = (SUCCEEDED, FAILED, ABORTED, INCONCLUSIVE, ERROR, COMPLETED)
"""The phases that a run ends in; another run leads out of them."""

ACTIVE = frozenset({CHECKING, INJECTING, VERIFYING, RUNNING, RECOVERING, RECOVERY_FAILED})
"""The phases in which an experiment has its target to itself."""

INJECTED = frozenset({INJECTING, VERIFYING, RUNNING})
"""The phases in which the fault may be in force."""

WAYS: dict[str, tuple[str, ...]] = {
    PENDING: (CHECKING, RECOVERING),
    CHECKING: (INJECTING, RUNNING, RECOVERING),
    INJECTING: (PENDING, VERIFYING, RUNNING, RECOVERING),
    VERIFYING: (RUNNING, RECOVERING),
    RUNNING: (RECOVERING,),
    RECOVERING: (*VERDICTS, RECOVERY_FAILED),
    RECOVERY_FAILED: VERDICTS,
    **dict.fromkeys(VERDICTS, (PENDING,)),
}
"""No verdict is reached but through the recovery."""

WORDS: dict[str, str] = {
    PENDING: "Waits for its turn: allowed, not suspended, nobody else on its target.",
    CHECKING: "Looks whether the steady state holds, before anything is injected.",
    INJECTING: "Puts the fault into the mesh.",
    VERIFYING: "Looks whether the fault is seen to bite, at the callers' proxies.",
    RUNNING: "Watches the failure conditions while the fault is on.",
    RECOVERING: "The verdict is made; the fault is removed, and looked for.",
    RECOVERY_FAILED: "Something of the fault is left; it goes on being removed.",
    SUCCEEDED: "The whole length without a failure condition coming true.",
    FAILED: "A failure condition came true, or an expected reaction didn't.",
    ABORTED: "Ended before its time.",
    INCONCLUSIVE: "Nobody can say.",
    ERROR: "Refused, or it makes no sense; nothing was injected.",
    COMPLETED: "A control run is over.",
}
