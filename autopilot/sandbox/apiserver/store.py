"""The API without HTTP: what controllers in this process and tests call.

Everything is synchronous and belongs to one event loop. Objects that come out are the stored ones:
copy before changing (`encoding.copied`). Objects that go in are copied here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import deletion, errors, scaling, writes
from autopilot.sandbox.apiserver.builtins import builtin_kinds
from autopilot.sandbox.apiserver.core import Core, WriteOptions, shown
from autopilot.sandbox.apiserver.database import Database
from autopilot.sandbox.apiserver.definitions import Definitions
from autopilot.sandbox.apiserver.encoding import Body, copied
from autopilot.sandbox.apiserver.housekeeping import Housekeeper
from autopilot.sandbox.apiserver.kinds import Kind, Registry
from autopilot.sandbox.apiserver.selectors import parse_labels
from autopilot.sandbox.apiserver.target import Target
from autopilot.sandbox.apiserver.watchers import Selection, Watcher
from autopilot.sandbox.apiserver.writes import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.base.clock import Clock
    from autopilot.sandbox.apiserver.history import Change

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_DEFAULT = WriteOptions()


class Store:
    """Kubernetes' objects and rules, in memory.

    Every method names a resource as `pods` or `deployments.apps`, and raises
    `errors.ApiError` where the server would answer with an error.

    Args:
        clock: Where time stamps come from.
        history_bytes: How much of the past a watch can catch up on.
    """

    def __init__(self, clock: Clock, *, history_bytes: int = 16 << 20) -> None:
        self.core = Core(Database(history_bytes=history_bytes), Registry(builtin_kinds()), clock)
        self.database = self.core.database
        self.registry = self.core.registry
        self._housekeeper = Housekeeper(self.core)
        self.database.hooks += [Definitions(self.core).notice, self._housekeeper.notice]
        for name in _NAMESPACES:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    @property
    def version(self) -> int:
        """The present resourceVersion."""
        return self.database.version

    def kind(self, resource: str) -> Kind:
        """A kind by `plural` or `plural.group`.

        Raises:
            ApiError: 404 if it isn't served.
        """
        found = self.registry.resource(resource)
        if found is None:
            raise errors.no_such_path()
        return found

    def create(self, body: Body, namespace: str = "", options: WriteOptions = _DEFAULT) -> Body:
        """Make an object; its kind and (unless given) its namespace are its own."""
        kind = self.registry.named(body.get("apiVersion", ""), body.get("kind", ""))
        if kind is None:
            raise errors.no_such_path()
        namespace = namespace or (body.get("metadata") or {}).get("namespace") or "default"
        return writes.create(self.core, self._target(kind, namespace), copied(body), options)

    def get(self, resource: str, name: str, namespace: str = "") -> Body:
        """One object; 404 if it isn't there."""
        return self.core.read(self.kind(resource), namespace, name)

    def find(self, resource: str, name: str, namespace: str = "") -> Body | None:
        """One object, or None."""
        return self.core.find(self.kind(resource), namespace, name)

    def list(self, resource: str, namespace: str | None = None, labels: str = "") -> list[Body]:
        """The objects of a kind by namespace and name, filtered by a label selector."""
        kind = self.kind(resource)
        entries = self.database.entries(kind.storage, namespace)
        found = [shown(kind, entry.body) for entry in entries]
        if not labels:
            return found
        selects = parse_labels(labels)
        return [body for body in found if selects(body["metadata"].get("labels") or {})]

    def update(
        self, body: Body, *, subresource: str = "", options: WriteOptions = _DEFAULT
    ) -> Body:
        """Replace an object (or its `status`), under its resourceVersion if it carries one."""
        kind = self.registry.named(body["apiVersion"], body["kind"])
        if kind is None:
            raise errors.no_such_path()
        given = body["metadata"]
        target = self._target(kind, given.get("namespace", ""), given["name"], subresource)
        return writes.update(self.core, target, copied(body), options)

    def merge(
        self, resource: str, name: str, patch: Body, namespace: str = "", *, subresource: str = "",
        options: WriteOptions = _DEFAULT,
    ) -> Body:  # fmt: skip
        """Apply a merge patch to an object, its `status` or its `scale`."""
        target = self._target(self.kind(resource), namespace, name, subresource)
        change = Patch(writes.MERGE, copied(patch))
        if subresource == "scale":
            return scaling.patch_scale(self.core, target, change, options)
        return writes.patch(self.core, target, change, options)[0]

    def apply(self, body: Body, *, manager: str, force: bool = True, subresource: str = "") -> Body:
        """Server-side apply, of an object or its `status`."""
        kind = self.registry.named(body["apiVersion"], body["kind"])
        if kind is None:
            raise errors.no_such_path()
        given = body["metadata"]
        space = given.get("namespace", "default")
        target = self._target(kind, space, given["name"], subresource)
        options = WriteOptions(manager=manager, force=force)
        return writes.patch(self.core, target, Patch(writes.APPLY, copied(body)), options)[0]

    def delete(
        self, resource: str, name: str, namespace: str = "", *, policy: str = "Background",
        grace: int | None = None, uid: str = "",
    ) -> bool:  # fmt: skip
        """Delete an object; whether it is gone already (no finalizer, no grace period)."""
        target = self._target(self.kind(resource), namespace, name)
        options = deletion.DeleteOptions(policy, grace, uid)
        return deletion.delete(self.core, target, options)[1]

    def watch(self, resource: str, namespace: str | None = None, labels: str = "") -> Watcher:
        """Watch a kind from now on: `await watcher.wait(s)`, `watcher.take()`; then `unwatch`."""
        selects: Callable[[Any], bool] | None = parse_labels(labels) if labels else None
        watcher = Watcher(Selection(namespace, selects))
        self.database.shelf(self.kind(resource).storage).watchers.add(watcher)
        return watcher

    def unwatch(self, resource: str, watcher: Watcher) -> None:
        """End a watch."""
        watcher.close()
        self.database.shelf(self.kind(resource).storage).watchers.discard(watcher)

    def on_change(self, hook: Callable[[Change], None]) -> Callable[[], None]:
        """Call a hook at every write, after the watchers; it must be quick and not write itself.

        Returns:
            A function that takes the hook off again.
        """
        self.database.hooks.append(hook)
        return lambda: self.database.hooks.remove(hook)

    def settle(self) -> None:
        """Do at once what the server would do next by itself: collect, sweep, finalize."""
        self._housekeeper.settle()

    @staticmethod
    def _target(kind: Kind, namespace: str, name: str = "", subresource: str = "") -> Target:
        return Target(kind, namespace if kind.namespaced else "", name, subresource)
