"""The permissions that follow from what a project declares, and no others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.kube.kinds import KNOWN, LEASES, METRICS, NAMESPACES
from autopilot.kube.marks import HALT_NAME
from autopilot.mesh.providers import provider
from autopilot.project.kinds import kinds_of, primary_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.provider import Provider
    from autopilot.spec.operator_config import OperatorConfig
    from autopilot.spec.project import FinalizerSpec, OperatorSpec

READ = ("get", "list", "watch")
OWN = (*READ, "create", "patch", "delete")
CONFIG_MAPS = KNOWN["configmaps"]
_ORDER = ("get", "list", "watch", "create", "update", "patch", "delete")


@dataclass
class Rules:
    """Permissions in one place (a namespace, or everywhere), merged as they come."""

    verbs: dict[tuple[str, str, str], set[str]] = field(default_factory=dict)

    def add(self, group: str, resource: str, verbs: Sequence[str], name: str = "") -> None:
        """Allow verbs on a resource, or on one object of it."""
        self.verbs.setdefault((group, resource, name), set()).update(verbs)

    def manifest(self) -> list[dict[str, Any]]:
        """As a Role's `rules`: one for each group and set of verbs, resources sorted."""
        grouped: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
        for (group, resource, name), verbs in sorted(self.verbs.items()):
            general = self.verbs.get((group, resource, ""), set())
            left = verbs - general if name else verbs
            if left:
                ordered = tuple(verb for verb in _ORDER if verb in left)
                place = f"{resource}\n{name}" if name else ""
                grouped.setdefault((group, ordered, place), []).append(resource)
        return [_rule(key, resources) for key, resources in sorted(grouped.items())]


def _rule(key: tuple[str, tuple[str, ...], str], resources: list[str]) -> dict[str, Any]:
    group, verbs, place = key
    rule: dict[str, Any] = {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
    if place:
        rule["resourceNames"] = [place.partition("\n")[2]]
    return rule


def rules_by_namespace(
    operators: Sequence[OperatorSpec], config: OperatorConfig
) -> dict[str, Rules]:
    """Permissions by namespace; the empty name stands for all namespaces.

    Leases are not among them: they belong to the operator's own namespace.
    """
    found: dict[str, Rules] = {}
    home = config.watch_namespace
    mesh = provider(config.mesh_provider)
    for operator in operators:
        base = found.setdefault(home, Rules())
        _primary(operator, base)
        owners: list[FinalizerSpec] = [*operator.phases]
        if operator.enable_finalizer:
            owners.append(operator.finalizer)
        for owner in owners:
            _declared(operator, owner, found, home, mesh)
    _drop_covered(found)
    return found


def _primary(operator: OperatorSpec, rules: Rules) -> None:
    kind = primary_kind(operator)
    rules.add(kind.group, kind.plural, (*READ, "patch"))
    rules.add(kind.group, f"{kind.plural}/status", ("get", "patch"))
    rules.add(kind.group, f"{kind.plural}/finalizers", ("update",))
    rules.add("", "events", ("create", "patch"))


def _declared(
    operator: OperatorSpec,
    owner: FinalizerSpec,
    found: dict[str, Rules],
    home: str,
    mesh: Provider,
) -> None:
    kinds = kinds_of(operator)
    for entry in owner.inputs:
        if entry.kind == METRICS:
            continue
        where = home if entry.namespace is None else entry.namespace
        rules = found.setdefault("" if where == "*" else where, Rules())
        _read(kinds[entry.kind], entry.only, rules)
    for name in owner.outputs:
        found[home].add(kinds[name].group, name, OWN)
    for need in mesh.needs(owner.actions):
        found[home].add(need.kind.group, need.kind.plural, need.verbs)
        for name, verbs in need.subresources.items():
            found[home].add(need.kind.group, f"{need.kind.plural}/{name}", verbs)


def _read(kind: ResourceType, only: tuple[str, ...], rules: Rules) -> None:
    if not only:
        rules.add(kind.group, kind.plural, READ)
        return
    # A list under a name is one with the field selector metadata.name: the API server lets it
    # through for exactly that object, which is how the caches read.
    for name in only:
        rules.add(kind.group, kind.plural, READ, name)


def _drop_covered(found: dict[str, Rules]) -> None:
    """What is allowed everywhere needs no rule in a namespace."""
    everywhere = found.get("", Rules()).verbs
    for namespace in [name for name in found if name]:
        kept = {
            key: verbs - everywhere.get(key, set()) - everywhere.get((key[0], key[1], ""), set())
            for key, verbs in found[namespace].verbs.items()
        }
        found[namespace].verbs = {key: verbs for key, verbs in kept.items() if verbs}
        if not found[namespace].verbs:
            del found[namespace]


def manifests(
    operators: Sequence[OperatorSpec], config: OperatorConfig, labels: dict[str, str]
) -> list[dict[str, Any]]:
    """Roles and their bindings to the operator's ServiceAccount."""
    name = operators[0].operator_name
    made: list[dict[str, Any]] = []
    for namespace, rules in sorted(rules_by_namespace(operators, config).items()):
        made += _role(name, name, namespace, rules.manifest(), config.home, labels)
    lease = Rules()
    lease.add(LEASES.group, LEASES.plural, ("get", "create", "update", "patch"))
    made += _role(f"{name}-lease", name, config.home, lease.manifest(), config.home, labels)
    # For the whole cluster: the order's namespace needn't be there when this is applied.
    made += _role(f"{name}-halt", name, "", _above(operators).manifest(), config.home, labels)
    return made


def _above(operators: Sequence[OperatorSpec]) -> Rules:
    """What stands above every operator: the order to halt; and for those that act, who opts out."""
    rules = Rules()
    _read(CONFIG_MAPS, (HALT_NAME,), rules)
    if any(phase.actions for operator in operators for phase in operator.phases):
        rules.add(NAMESPACES.group, NAMESPACES.plural, READ)
    return rules


def _role(
    name: str,
    account: str,
    namespace: str,
    rules: list[dict[str, Any]],
    home: str,
    labels: dict[str, str],
) -> list[dict[str, Any]]:
    scope = "Role" if namespace else "ClusterRole"
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), "labels": labels}
    api = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": api, "kind": scope, "metadata": meta, "rules": rules},
        {
            "apiVersion": api,
            "kind": f"{scope}Binding",
            "metadata": dict(meta),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": scope, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": home}],
        },
    ]
