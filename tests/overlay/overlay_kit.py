"""What the tests of overlays share: bodies, and an object with the API server's own rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.kube.marks import OVERLAID, OVERLAID_OWNERS, OVERLAY, OVERLAY_MANAGER
from autopilot.overlay.apply import Planned, plan
from autopilot.overlay.locate import Locator
from autopilot.overlay.places import Places
from autopilot.overlay.record import Holder, read
from autopilot.overlay.undo import Outcome, finish, undo
from autopilot.overlay.values import clone
from autopilot.sandbox.apiserver.fields import apply, record_update, structure_for
from autopilot.sandbox.apiserver.managers import Writer
from autopilot.sandbox.apiserver.patch import json_patch
from autopilot.sandbox.mesh import crds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autopilot.kube.client import Body
    from autopilot.overlay.record import Overlay
    from autopilot.overlay.wish import Wish

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VIRTUAL_SERVICES = KNOWN["virtualservices"]
DESTINATION_RULES = KNOWN["destinationrules"]
RULES = ResourceType("autopilot.mesh", "v1alpha1", "rules", "Rule")
ROUTES = "/spec/http"
API = "networking.istio.io/v1"

_SCHEMAS = {
    body["spec"]["names"]["kind"]: body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for body in crds.crds()
}
STRUCTURES = {
    kind: structure_for("networking.istio.io", kind, schema) for kind, schema in _SCHEMAS.items()
}


def holder(name: str = "one", uid: str = "") -> Holder:
    return Holder("Rule", "shop", name, uid or f"uid-{name}")


def route(name: str = "", host: str = "web", **more: Any) -> Body:
    named = {"name": name} if name else {}
    body = {**named, "route": [{"destination": {"host": host}}]}
    return {**body, **more}


def virtual_service(*routes: Body, name: str = "web", **metadata: Any) -> Body:
    return {
        "apiVersion": API,
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop", **metadata},
        "spec": {"hosts": [name], "http": [*routes]},
    }


def destination_rule(**spec: Any) -> Body:
    return {
        "apiVersion": API,
        "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"host": "web", **spec},
    }


def weights(**shares: int) -> list[Body]:
    return [{"destination": {"host": host}, "weight": share} for host, share in shares.items()]


def abort(percent: float = 10, status: int = 503) -> Body:
    return {"abort": {"httpStatus": status, "percentage": {"value": percent}}}


def named(name: str) -> Locator:
    return Locator(ROUTES, name)


def shaped(body: Body, index: int) -> Locator:
    return Places(body, read(body).overlays).locator(ROUTES, index)


def content(body: Body) -> Body:
    """What "as before" means, but for the owners of fields."""
    meta = body["metadata"]
    return {
        "spec": body["spec"],
        "labels": meta.get("labels") or {},
        "annotations": meta.get("annotations") or {},
    }


def owners(body: Body) -> list[Body]:
    """managedFields without times, in one order."""
    entries = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in body["metadata"].get("managedFields") or []
    ]
    return sorted(entries, key=lambda entry: (entry["operation"], entry["manager"]))


def unmarked(body: Body) -> bool:
    meta = body["metadata"]
    notes, labels = meta.get("annotations") or {}, meta.get("labels") or {}
    ours = [key for key in notes if key.startswith(OVERLAY) or key == OVERLAID_OWNERS]
    managers = {entry["manager"] for entry in meta.get("managedFields") or []}
    return not ours and OVERLAID not in labels and OVERLAY_MANAGER not in managers


class Object:
    """One object, written under the API server's rules, without the server."""

    def __init__(self, body: Body, manager: str = "helm") -> None:
        self._structure = STRUCTURES[body["kind"]]
        self._ticks = 0
        self.body: Body = {}
        self.body = self._applied(body, manager, live=None)
        self.body["metadata"] |= {"uid": "uid-object", "resourceVersion": "1"}

    def apply(self, body: Body, manager: str = "helm", *, force: bool = False) -> None:
        """Server-side apply; raises `ApplyConflict`."""
        self._store(self._applied(body, manager, live=self.body, force=force))

    def edit(self, change: Callable[[Body], object], manager: str = "kubectl-edit") -> None:
        """Change it as a person would."""
        after = clone(self.body)
        change(after)
        self._update(after, manager)

    def patch(self, patch: Sequence[Body]) -> None:
        """Send an overlay's patch."""
        self._update(json_patch(self.body, [*patch]), OVERLAY_MANAGER)

    def put(self, wish: Wish) -> Planned:
        """Plan an overlay, and write it."""
        planned = plan(self.body, wish, NOW)
        if planned.patch:
            self.patch(planned.patch)
        return planned

    def undo(self, *holders: str) -> list[Outcome]:
        """Undo the overlays of these holders, or of all."""

        def chosen(overlay: Overlay) -> bool:
            return not holders or overlay.holder.name in holders

        undoing = undo(self.body, chosen)
        if undoing.patch:
            self.patch(undoing.patch)
        self.finish()
        return [*undoing.outcomes]

    def finish(self) -> None:
        """The second write of an undo."""
        if patch := finish(self.body):
            self.patch(patch)

    def _applied(self, body: Body, manager: str, *, live: Body | None, force: bool = False) -> Body:
        return apply(
            live,
            body,
            Writer(manager, "Apply", API),
            force=force,
            now=self._now(),
            structure=self._structure,
        )

    def _update(self, after: Body, manager: str) -> None:
        meta = {key: value for key, value in after["metadata"].items() if value != {}}
        self._store(
            record_update(
                self.body,
                {**after, "metadata": meta},
                Writer(manager, "Update", API),
                now=self._now(),
                structure=self._structure,
            )
        )

    def _store(self, after: Body) -> None:
        if after is self.body:
            return
        version = str(int(self.body["metadata"]["resourceVersion"]) + 1)
        self.body = clone(after)
        self.body["metadata"]["resourceVersion"] = version

    def _now(self) -> str:
        self._ticks += 1
        return f"2026-01-01T00:{self._ticks // 60:02}:{self._ticks % 60:02}Z"
