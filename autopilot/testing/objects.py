"""The objects of a flight's API, for a test to write and to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.runtime.inputs import Item
from autopilot.testing import readiness

if TYPE_CHECKING:
    from builtins import list as List  # noqa: N812 -- `list` is a method below
    from collections.abc import Mapping

    from autopilot.sandbox.apiserver.store import Store

Body = dict[str, Any]


class Seen(Item):
    """A resource as it stands, read-only, with what a test asks most."""

    @property
    def phase(self) -> str:
        """status.phase; empty for one that no sync has seen."""
        return str(self.at("status.phase", ""))

    @property
    def status(self) -> Mapping[str, Any]:
        """The whole status, as on the wire."""
        found: Mapping[str, Any] = self.at("status", Item({}))
        return found

    @property
    def reason(self) -> str:
        """The reason of the condition Ready."""
        ready = self.condition("Ready")
        return str(ready["reason"]) if ready else ""

    @property
    def message(self) -> str:
        """The message of the condition Ready."""
        ready = self.condition("Ready")
        return str(ready["message"]) if ready else ""

    def condition(self, kind: str) -> Item | None:
        """A condition by its type."""
        return self.first("status.conditions", type=kind)


class Objects:
    """Reads and writes objects.

    Args:
        store: The API's objects.
        primary: The operator's own kind, qualified.
    """

    def __init__(self, store: Store, primary: str) -> None:
        self._store = store
        self._primary = primary

    def apply(self, *bodies: Mapping[str, Any]) -> None:
        """Make objects, or change those that are there by the fields given.

        Nothing follows from it before `settle` or `advance`.
        """
        store = self._store
        for given in bodies:
            body = Item(given).thaw()
            resource, name, namespace = self._place(body)
            if store.find(resource, name, namespace) is None:
                store.create(body, namespace)
            else:
                store.merge(resource, name, body, namespace)

    def delete(self, kind: str, name: str, namespace: str = "default") -> None:
        """Delete an object; its finalizers hold it as on a cluster."""
        self._store.delete(self._plural(kind), name, namespace)

    def get(self, kind: str, name: str, namespace: str = "default") -> Seen | None:
        """An object by kind (`Deployment`, `deployments` or `deployments.apps`), or None."""
        found = self._store.find(self._plural(kind), name, namespace)
        return None if found is None else Seen(found)

    def list(self, kind: str, namespace: str | None = None) -> List[Seen]:
        """The objects of a kind."""
        return [Seen(body) for body in self._store.list(self._plural(kind), namespace)]

    def resource(self, name: str = "", namespace: str = "default", kind: str = "") -> Seen:
        """A resource of the operator's kind; the only one where no name is given.

        Raises:
            LookupError: It isn't there, or there are several.
        """
        plural = self._plural(kind) if kind else self._primary
        found = [
            Seen(body)
            for body in self._store.list(plural, namespace)
            if name in {"", body["metadata"]["name"]}
        ]
        if len(found) != 1:
            names = ", ".join(each.name for each in found) or "none"
            raise LookupError(f"one {plural} {name} was asked for in {namespace}; there: {names}")
        return found[0]

    @property
    def history(self) -> List[str]:
        """The phases that the only resource went through, the newest last."""
        return [str(entry["phase"]) for entry in self.resource().at("status.phaseHistory", ())]

    @property
    def events(self) -> List[Seen]:
        """The Events, the oldest first; read `["reason"]`, `["message"]`, `["type"]`."""
        found = self._store.list("events")
        found.sort(key=lambda body: int(body["metadata"]["resourceVersion"]))
        return [Seen(body) for body in found]

    def mark_ready(self, kind: str, name: str, namespace: str = "default") -> None:
        """Let all pods of one Deployment be ready.

        Raises:
            ValueError: It is of another kind.
        """
        if self._plural(kind) != "deployments.apps":
            raise ValueError(f"only Deployments can be marked as ready, not {kind}")
        readiness.make_ready(self._store, name, namespace)

    def _place(self, body: Body) -> tuple[str, str, str]:
        group = str(body.get("apiVersion", "")).rpartition("/")[0]
        resource = self._plural(str(body.get("kind", "")), group)
        meta = body.setdefault("metadata", {})
        namespaced = self._store.kind(resource).namespaced
        namespace = str(meta.setdefault("namespace", "default")) if namespaced else ""
        return resource, str(meta["name"]), namespace

    def _plural(self, kind: str, group: str | None = None) -> str:
        for served in self._store.registry:
            if group is not None and served.group != group:
                continue
            qualified = f"{served.plural}.{served.group}" if served.group else served.plural
            if kind in {served.kind, served.plural, qualified}:
                return qualified
        raise LookupError(f"no kind {kind!r} is served")
