"""Trouble on purpose: what networks and API servers do to their clients, by rule.

Only requests to resources are met: discovery, health and `/sandbox` always answer.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from autopilot.sandbox.apiserver import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.sandbox.apiserver.journal import Request

Effect = Literal["latency", "latency-after", "status", "cut", "cut-after", "expire"]
_STATUS = {
    404: ("NotFound", "the server could not find the requested resource"),
    409: ("Conflict", f"Operation cannot be fulfilled: {errors.MODIFIED}"),
    410: ("Expired", "too old resource version"),
    429: ("TooManyRequests", "the server has received too many requests"),
    500: ("InternalError", "Internal error occurred: injected fault"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "request did not complete within the allotted timeout"),
}


@dataclass(slots=True)
class Fault:
    """One rule: which requests it meets, and what happens to them.

    Attributes:
        effect: `latency`: wait `seconds`, then go on. `latency-after`: do it at once, and wait
            `seconds` with the answer, so that a client may give up on what was done. `status`:
            answer `status` and do nothing else. `cut`: close the connection before anything was
            done; a watch is cut `seconds` after its start. `cut-after`: do it, then close the
            connection without an answer. `expire`: a watch gets an in-stream ERROR 410 `seconds`
            after its start, a list that continues gets 410.
        verb: get, list, watch, create, update, patch, delete, deletecollection; `*` for all.
        resource: `pods`, `deployments.apps`; `*` for all.
        namespace, name, subresource: Exactly this; `*` for all ("" is the main resource).
        count: How often it strikes, None without end.
        skip: How many matching requests pass first.
        probability: That it strikes a matching request; drawn from a seeded generator.
        seconds: See effect.
        status: See effect.
        retry_after: Seconds in the Retry-After header of a 429 or 503; 0 leaves it out.
        agent: The User-Agent starts with this.
    """

    effect: Effect
    verb: str = "*"
    resource: str = "*"
    namespace: str = "*"
    name: str = "*"
    subresource: str = "*"
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    seconds: float = 0.0
    status: int = 500
    retry_after: int = 0
    agent: str = ""

    def __post_init__(self) -> None:
        if self.effect not in get_args(Effect):
            raise ValueError(f"unknown effect {self.effect!r}; one of {get_args(Effect)}")

    def meets(self, request: Request) -> bool:
        """Whether a request is one of those."""
        return request.user_agent.startswith(self.agent) and all(
            wanted in ("*", found)
            for wanted, found in (
                (self.verb, request.verb),
                (self.resource, request.resource),
                (self.namespace, request.namespace),
                (self.name, request.name),
                (self.subresource, request.subresource),
            )
        )

    def error(self) -> errors.ApiError:
        """The answer of a `status` fault."""
        reason, message = _STATUS.get(self.status, ("InternalError", "injected fault"))
        details = {"retryAfterSeconds": self.retry_after} if self.retry_after else None
        return errors.ApiError(self.status, reason, message, details)


@dataclass(slots=True)
class _Rule:
    fault: Fault
    seen: int = 0
    hits: int = 0


class Faults:
    """The rules in force, in the order of their adding.

    Args:
        seed: For the probabilities.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._rules: dict[int, _Rule] = {}
        self._ids = itertools.count(1)
        self._random = random.Random(seed)
        self._actions: dict[str, Callable[[str], int]] = {}

    def seed(self, seed: int) -> None:
        """Start the dice anew."""
        self._random.seed(seed)

    def add(self, fault: Fault) -> int:
        """Put a rule into force; returns the id to remove it by."""
        number = next(self._ids)
        self._rules[number] = _Rule(fault)
        return number

    def remove(self, number: int) -> None:
        """Lift a rule; one that isn't there is fine."""
        self._rules.pop(number, None)

    def clear(self) -> None:
        """Lift all rules."""
        self._rules.clear()

    def hits(self, number: int) -> int:
        """How often a rule has struck."""
        rule = self._rules.get(number)
        return rule.hits if rule else 0

    def strike(self, request: Request) -> list[Fault]:
        """The faults that a request meets; each counts as a hit."""
        if not self._rules:
            return []
        struck = []
        for rule in self._rules.values():
            fault = rule.fault
            if (fault.count is not None and rule.hits >= fault.count) or not fault.meets(request):
                continue
            rule.seen += 1
            if rule.seen <= fault.skip:
                continue
            if fault.probability < 1.0 and self._random.random() >= fault.probability:
                continue
            rule.hits += 1
            struck.append(fault)
        return struck

    def cut_watches(self, resource: str = "*") -> int:
        """Close the connection of every open watch of a resource; returns how many."""
        return self._actions["cut-watches"](resource)

    def expire_watches(self, resource: str = "*") -> int:
        """Send every open watch of a resource an in-stream ERROR 410, and end it."""
        return self._actions["expire-watches"](resource)

    def drop_history(self) -> int:
        """Forget the past: a watch that resumes from before now gets 410 and has to list again."""
        return self._actions["drop-history"]("*")

    def act(self, action: str, resource: str = "*") -> int:
        """Do `cut-watches`, `expire-watches` or `drop-history`.

        Raises:
            ValueError: It is none of them.
        """
        if action not in self._actions:
            raise ValueError(f"unknown action {action!r}; one of {sorted(self._actions)}")
        return self._actions[action](resource)

    def bind(self, action: str, do: Callable[[str], int]) -> None:
        """Connect an action with the server that does it."""
        self._actions[action] = do

    def as_data(self) -> list[dict[str, Any]]:
        """For `GET /sandbox/faults`."""
        return [
            {"id": number, "hits": rule.hits, **asdict(rule.fault)}
            for number, rule in self._rules.items()
        ]


def fault_from(data: Any) -> Fault:
    """A fault from JSON with the same names as its fields.

    Raises:
        ValueError: It isn't one; the message says why.
    """
    if not isinstance(data, dict) or "effect" not in data:
        raise ValueError("a fault is an object with at least an effect")
    known = {field.name for field in fields(Fault)}
    if unknown := sorted(set(data) - known):
        raise ValueError(f"unknown fields {unknown}; a fault has {sorted(known)}")
    return Fault(**data)
