"""The order to halt: one ConfigMap, which stands above every operator while it exists. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.timestamps import parse_time, render_time
from autopilot.kube.kinds import KNOWN
from autopilot.kube.marks import HALT_NAME, HALT_NAMESPACE

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.kube.client import Body

CONFIG_MAPS = KNOWN["configmaps"]


@dataclass(frozen=True, slots=True)
class Order:
    """What the ConfigMap says.

    Attributes:
        reason: For people.
        by: Who gave it.
        at: When; None where it doesn't say.
        namespaces: Only these; empty for everything.
    """

    reason: str
    by: str = ""
    at: datetime | None = None
    namespaces: frozenset[str] = frozenset()

    def covers(self, namespace: str) -> bool:
        """Whether it holds in a namespace; one that isn't limited holds for cluster scope too."""
        return not self.namespaces or namespace in self.namespaces

    def __str__(self) -> str:
        """For people."""
        who = f" by {self.by}" if self.by else ""
        where = f" in {', '.join(sorted(self.namespaces))}" if self.namespaces else ""
        since = "" if self.at is None else f" at {render_time(self.at)}"
        return f"halted{where}{who}{since}: {self.reason}"

    def body(self) -> Body:
        """The ConfigMap."""
        data = {"reason": self.reason, "by": self.by}
        if self.at is not None:
            data["at"] = render_time(self.at)
        if self.namespaces:
            data["namespaces"] = ",".join(sorted(self.namespaces))
        return {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": {
                "name": HALT_NAME,
                "namespace": HALT_NAMESPACE,
                "labels": {"app.kubernetes.io/managed-by": "autopilot"},
            },
            "data": data,
        }

    def joined(self, other: Order) -> Order:
        """Both: what either covers. Reason, name and time stay those of this one."""
        both = self.namespaces | other.namespaces
        everywhere = not self.namespaces or not other.namespaces
        return Order(self.reason, self.by, self.at, frozenset() if everywhere else both)


def read_order(body: Body) -> Order:
    """The order in a ConfigMap; whatever it says, that it exists halts."""
    data = body.get("data")
    said = data if isinstance(data, dict) else {}
    names = {name.strip() for name in str(said.get("namespaces", "")).split(",")} - {""}
    return Order(
        str(said.get("reason") or "no reason given"),
        str(said.get("by") or ""),
        parse_time(said.get("at")),
        frozenset(names),
    )
