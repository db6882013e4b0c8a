"""What an API's refusals mean: a `Status` and its headers become an `ApiError`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from autopilot.kube.client import (
    AlreadyExists,
    ApiError,
    Body,
    Conflict,
    FieldConflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Unavailable,
)

_BY_STATUS: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    410: Gone,
    422: Invalid,
    429: Unavailable,
}


def read_json(raw: bytes) -> Any:
    """Parse a body; None when it isn't JSON."""
    try:
        return json.loads(raw)
    except ValueError:
        return None


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as a date."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def error_of(status: int, answer: Any, *, what: str, after: str | None = None) -> ApiError:
    """The error for a refusal.

    Args:
        status: The HTTP status, or a Status's code.
        answer: The parsed body; anything but a Status object is tolerated.
        what: The call, for the message of an answer that has none.
        after: The Retry-After header.
    """
    body: Body = answer if isinstance(answer, dict) else {}
    raw_details = body.get("details")
    details: Body = raw_details if isinstance(raw_details, dict) else {}
    raw_causes = details.get("causes")
    causes = tuple(
        cause
        for cause in (raw_causes if isinstance(raw_causes, list) else [])
        if isinstance(cause, dict)
    )
    reason = str(body.get("reason") or "")
    message = str(body.get("message") or f"{what}: the API answered {status}")
    seconds = details.get("retryAfterSeconds")
    wait = retry_after(after)
    if wait is None and isinstance(seconds, int | float):
        wait = float(seconds)
    return _kind_of(status, reason, causes)(
        status, reason, message, retry_after=wait, causes=causes
    )


def _kind_of(status: int, reason: str, causes: tuple[Body, ...]) -> type[ApiError]:
    if status == 409:
        if reason == "AlreadyExists":
            return AlreadyExists
        if any(cause.get("reason") == "FieldManagerConflict" for cause in causes):
            return FieldConflict
        return Conflict
    if status >= 500:
        return Unavailable
    return _BY_STATUS.get(status, ApiError)
