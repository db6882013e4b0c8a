"""Which requests of a route an action is about, as conditions of an inserted route: pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from autopilot.mesh.errors import Unfeasible
from autopilot.overlay.values import canonical
from autopilot.overlay.wish import INSERTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autopilot.kube.client import Body
    from autopilot.overlay.locate import Locator
    from autopilot.overlay.record import Holder

CALLER = "app"
"""The label by which callers are told apart."""

MOST = 256
"""Conditions that one inserted route may have."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Some of a route's requests.

    Attributes:
        callers: Values of the callers' `app` label; empty for all.
        port: The port that is addressed; None for all.
        headers: By header, its values; empty for all. A request must meet each of them.
    """

    callers: tuple[str, ...] = ()
    port: int | None = None
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is all requests."""
        return self == Scope()

    @property
    def without_headers(self) -> Scope:
        """The scope that is left when headers don't matter."""
        return Scope(self.callers, self.port)

    def covers(self, other: Scope) -> bool:
        """Whether all requests of another scope are in this one, headers aside."""
        known = bool(other.callers) and {*other.callers} <= {*self.callers}
        return (not self.callers or known) and self.port in {None, other.port}

    def __str__(self) -> str:
        """For people."""
        parts = [f"from {' or '.join(self.callers)}"] if self.callers else []
        parts += [f"to port {self.port}"] if self.port is not None else []
        parts += [f"with {name} {' or '.join(values)}" for name, values in self.headers]
        return " ".join(parts)

    def match(self, route: Body) -> list[Body] | None:
        """The conditions of a route, narrowed to this scope; None where nothing is left of it.

        Raises:
            Unfeasible: A condition can't be narrowed, or there would be too many.
        """
        conditions = route.get("match") or [{}]
        headers = [[(name, value) for value in values] for name, values in self.headers]
        callers: tuple[str | None, ...] = self.callers or (None,)
        count = len(conditions) * len(callers)
        for options in headers:
            count *= len(options)
        if count > MOST:
            raise Unfeasible(f"{count} conditions for one route, more than {MOST}: name fewer")
        made = [
            narrowed
            for condition, caller, *chosen in product(conditions, callers, *headers)
            if (narrowed := self._narrowed(condition, caller, dict(chosen))) is not None
        ]
        return made or None

    def _narrowed(
        self, condition: Body, caller: str | None, headers: Mapping[str, str]
    ) -> Body | None:
        made = dict(condition)
        if self.port is not None and made.setdefault("port", self.port) != self.port:
            return None
        if caller is not None:
            labels = {**(made.get("sourceLabels") or {})}
            if labels.setdefault(CALLER, caller) != caller:
                return None
            made["sourceLabels"] = labels
        if headers:
            stood = {**(made.get("headers") or {})}
            lowered = {name.lower(): name for name in stood}
            for name, value in headers.items():
                known = lowered.get(name.lower())
                if known is not None and not _admits(stood[known], value):
                    return None
                stood[known or name] = {"exact": value}
            made["headers"] = stood
        return made


def _admits(condition: Any, value: str) -> bool:
    """Whether a header's condition lets a value pass."""
    if not condition:
        return True
    if "exact" in condition:
        return bool(condition["exact"] == value)
    if "prefix" in condition:
        return value.startswith(str(condition["prefix"]))
    raise Unfeasible(
        "a route that matches the same header by a pattern can't be narrowed to some of its values"
    )


def name_of(holder: Holder, role: str, scope: Scope, locator: Locator) -> str:
    """The name of an inserted route: it follows from whose it is, what for, and where."""
    who = [holder.kind, holder.namespace, holder.name]
    what = [role, [*scope.callers], scope.port, [[n, [*v]] for n, v in scope.headers]]
    digest = hashlib.sha256(canonical([who, what, locator.render()]).encode()).hexdigest()
    return f"{INSERTED}{role}-{digest[:10]}"


def ports(route: Body) -> Iterator[int | None]:
    """The ports that a route's conditions ask for; None for one that asks for none."""
    for condition in route.get("match") or [{}]:
        yield condition.get("port")
