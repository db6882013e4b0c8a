"""The one door to a Kubernetes API: raw dicts in, raw dicts out.

Typed models are never read, changed and written back: they drop the fields that they don't know.
What autopilot owns goes through `apply`; on what it doesn't own, `patch` changes single fields.
Every call has a time-out; every failure is an `ApiError` that says its consequence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

from autopilot.base.errors import AutopilotError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from autopilot.kube.kinds import ResourceType

Body = dict[str, Any]


class PatchType(StrEnum):
    """How a patch's body is to be read; the value is its content type."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"


class ApiError(AutopilotError):
    """The API refused or failed.

    Args:
        status: The HTTP status; 0 when no answer came (then whether a write happened is unknown).
        reason: The API's reason, like `Conflict`; empty when none was given.
        message: For a person.
        retry_after: Seconds that the server asks to wait, if it does.
        causes: The API's `details.causes`.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        retry_after: float | None = None,
        causes: tuple[Body, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        self.causes = causes

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed later without anybody changing anything."""
        return self.status in {0, 429} or self.status >= 500


class NotFound(ApiError):
    """404: the object, or its kind, isn't there."""


class Conflict(ApiError):
    """409 on the resourceVersion: read again and retry at once."""


class AlreadyExists(ApiError):
    """409 on a create: a question of ownership, not of retrying."""


class FieldConflict(ApiError):
    """409 on an apply: another manager holds a field; a question of ownership."""


class Gone(ApiError):
    """410: the resourceVersion is too old; list again."""


class Invalid(ApiError):
    """422 or 400: what was sent is wrong; retrying won't help."""


class Forbidden(ApiError):
    """401 or 403: the account may not do this."""


class Unavailable(ApiError):
    """429, 5xx, a time-out or no connection: try again later."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A collection at one moment.

    Attributes:
        items: The bodies, each with apiVersion and kind filled in.
        resource_version: Where a watch goes on from.
    """

    items: list[Body]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change.

    Attributes:
        type: `BOOKMARK` carries only a resourceVersion.
        object: The body after the change; the last known one for DELETED.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Body = field(default_factory=dict)


class KubeClient(Protocol):
    """Calls on one Kubernetes API.

    All raise `ApiError` (a subclass where one fits). `namespace=None` addresses a cluster-scoped
    object, or all namespaces in `list` and `watch`.
    """

    @property
    def server(self) -> str:
        """The API's URL, for people."""
        ...

    @property
    def context(self) -> str:
        """Where the address came from: a kubeconfig context's name, or `in-cluster`."""
        ...

    async def get(self, kind: ResourceType, name: str, namespace: str | None = None) -> Body:
        """One object; `NotFound` if absent."""
        ...

    async def list(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Listing:
        """All objects that match, page by page within one consistent resourceVersion."""
        ...

    def watch(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Changes after `resource_version`, bookmarks included, until the server ends the stream.

        The first event is a BOOKMARK with that very version: it says that the stream stands.
        Raises `Gone` when that version is no longer known, `Unavailable` when the connection
        breaks.
        """
        ...

    async def create(
        self,
        kind: ResourceType,
        body: Body,
        namespace: str | None = None,
        *,
        manager: str = "autopilot",
        dry_run: bool = False,
    ) -> Body:
        """Make an object; `AlreadyExists` if there is one."""
        ...

    async def apply(
        self,
        kind: ResourceType,
        body: Body,
        *,
        manager: str,
        force: bool = True,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Body:
        """Server-side apply; name and namespace are the body's. `FieldConflict` if not forced."""
        ...

    async def patch(
        self,
        kind: ResourceType,
        name: str,
        namespace: str | None,
        patch: Body | Sequence[Body],
        *,
        subresource: str = "",
        manager: str = "autopilot",
    ) -> Body:
        """A dict is sent as a merge patch, a list as a JSON patch."""
        ...

    async def replace(
        self, kind: ResourceType, body: Body, *, subresource: str = "", manager: str = "autopilot"
    ) -> Body:
        """PUT under the body's own resourceVersion; `Conflict` when it is no longer current."""
        ...

    async def delete(
        self,
        kind: ResourceType,
        name: str,
        namespace: str | None = None,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
    ) -> None:
        """Delete, under the given preconditions; an absent object is `NotFound`."""
        ...

    async def request(self, method: str, path: str, body: Body | None = None) -> Body:
        """Any other call, for discovery and the like."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...
