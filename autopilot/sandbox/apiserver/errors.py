"""What the API server answers when it refuses: a `Status` with reason, details and causes.

The wording follows the real server's, because people and clients match on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.errors import AutopilotError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.sandbox.apiserver.causes import Cause
    from autopilot.sandbox.apiserver.kinds import Kind


class ApiError(AutopilotError):
    """A refusal.

    Args:
        status: The HTTP status.
        reason: Kubernetes' word for it, like `NotFound`.
        message: One line for a person.
        details: The Status's `details`; may hold `causes` and `retryAfterSeconds`.
    """

    def __init__(
        self, status: int, reason: str, message: str, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}

    def body(self) -> dict[str, Any]:
        """The Status object."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            body["details"] = self.details
        body["code"] = self.status
        return body


def _details(kind: Kind, name: str = "", **more: Any) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name} if name else {}
    if kind.group:
        details["group"] = kind.group
    return {**details, "kind": kind.plural, **more}


def not_found(kind: Kind, name: str) -> ApiError:
    """No object of this name."""
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def no_such_path() -> ApiError:
    """No resource is served at this path."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(kind: Kind, name: str) -> ApiError:
    """A create of a name that is taken."""
    message = f'{kind.resource} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(kind, name))


def conflict(kind: Kind, name: str, why: str) -> ApiError:
    """A precondition doesn't hold."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def apply_conflict(kind: Kind, name: str, message: str, causes: list[dict[str, Any]]) -> ApiError:
    """Another field manager owns what an apply sets."""
    return ApiError(409, "Conflict", message, _details(kind, name, causes=causes))


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> ApiError:
    """The object is understood, but wrong; every cause at once."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    what = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    title = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = {
        **_details(kind, name),
        "kind": kind.kind,
        "causes": [
            {"reason": cause.reason, "message": cause.message, "field": cause.field}
            for cause in causes
        ],
    }
    return ApiError(422, "Invalid", f'{title} "{name}" is invalid: {what}', details)


def bad_request(message: str) -> ApiError:
    """The request itself is malformed."""
    return ApiError(400, "BadRequest", message)


def forbidden(
    kind: Kind, name: str, why: str, causes: list[dict[str, Any]] | None = None
) -> ApiError:
    """Understood, and not allowed."""
    details = _details(kind, name, **({"causes": causes} if causes else {}))
    return ApiError(403, "Forbidden", f'{kind.resource} "{name}" is forbidden: {why}', details)


def not_allowed(
    message: str = "the server does not allow this method on the requested resource",
) -> ApiError:
    """The resource exists, the verb doesn't."""
    return ApiError(405, "MethodNotAllowed", message)


def expired(message: str) -> ApiError:
    """A resourceVersion or continue token that is too old."""
    return ApiError(410, "Expired", message)


def too_many_requests(
    message: str, *, after: int = 1, causes: list[dict[str, Any]] | None = None
) -> ApiError:
    """Come back in `after` seconds."""
    details: dict[str, Any] = {"retryAfterSeconds": after} if after else {}
    if causes:
        details["causes"] = causes
    return ApiError(429, "TooManyRequests", message, details)


def unsupported_media(message: str) -> ApiError:
    """A request body in a format that isn't spoken here."""
    return ApiError(415, "UnsupportedMediaType", message)
