"""The one error for what isn't allowed, be it a worker's answer or a person's YAML."""

from __future__ import annotations

from autopilot.base.errors import TerminalError


class Refused(TerminalError):
    """What a worker answered, or a person wrote, isn't allowed; nothing is written.

    Args:
        reason: For the condition.
        message: What is wrong and what would be right.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
