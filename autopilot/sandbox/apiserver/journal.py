"""Who asked for what: so that a test can say "and then there was no call at all"."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Request:
    """One request as it was served. `status` is 0 where the connection was cut without an answer,
    and that of the head while a watch is still open.
    """

    method: str
    path: str
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    user_agent: str = ""
    status: int = 0
    content_type: str = ""


class Journal:
    """The latest requests, and how many there ever were.

    Args:
        size: How many are remembered.
    """

    def __init__(self, *, size: int = 10_000) -> None:
        self.total = 0
        self._latest: deque[Request] = deque(maxlen=size)

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._latest))

    def __len__(self) -> int:
        return len(self._latest)

    def add(self, request: Request) -> None:
        """Note a request when it arrives; its status is filled in later."""
        self.total += 1
        self._latest.append(request)

    def matching(self, **wanted: str | int) -> list[Request]:
        """The remembered requests with these values, like `verb="patch", resource="pods"`."""
        return [
            one for one in self if all(getattr(one, key) == value for key, value in wanted.items())
        ]

    def clear(self) -> None:
        """Forget the requests and count from zero."""
        self.total = 0
        self._latest.clear()

    def as_data(self) -> dict[str, Any]:
        """For `GET /sandbox/requests`."""
        return {"total": self.total, "requests": [asdict(one) for one in self._latest]}
