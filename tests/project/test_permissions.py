"""RBAC is exactly what a project declares."""

from __future__ import annotations

from typing import Any

import pytest

from autopilot.project.load import parse
from autopilot.project.rbac import manifests
from autopilot.spec.operator_config import OperatorConfig

HEAD = "kind: Thing\napiVersion: example.io/v1\noperatorName: thing-operator\n"
READ = {"get", "list", "watch"}
OWN = READ | {"create", "patch", "delete"}

Allowed = dict[tuple[str, str], set[str]]


def made(phase: str, config: dict[str, Any] | None = None, more: str = "") -> list[dict[str, Any]]:
    text = f"{HEAD}phases:\n- name: Only\n  initial: true\n{phase}{more}"
    parsed = parse(text, "f")
    assert not parsed.problems
    settings = OperatorConfig(**(config or {}))
    return manifests(parsed.operators, settings, {"app.kubernetes.io/name": "thing-operator"})


def allowed(manifest: dict[str, Any]) -> Allowed:
    """Verbs by scope-qualified resource; a resourceName is put behind it."""
    found: Allowed = {}
    for rule in manifest["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    key = (group, f"{resource}:{name}" if name else resource)
                    assert key not in found, "a resource turns up in one rule only"
                    found[key] = set(rule["verbs"])
    return found


BASE: Allowed = {
    ("", "events"): {"create", "patch"},
    ("example.io", "things"): READ | {"patch"},
    ("example.io", "things/status"): {"get", "patch"},
    ("example.io", "things/finalizers"): {"update"},
}


def test_a_phase_that_declares_nothing_needs_its_own_kind_and_events_only() -> None:
    assert allowed(made("")[0]) == BASE


def test_inputs_are_read_and_outputs_are_owned() -> None:
    found = allowed(made("  inputs: [pods, deployments, metrics]\n  outputs: [deployments]\n")[0])
    assert found == BASE | {("", "pods"): READ, ("apps", "deployments"): OWN}


def test_events_as_an_input_are_read_and_written() -> None:
    found = allowed(made("  inputs: [events]\n")[0])
    assert found[("", "events")] == READ | {"create", "patch"}


def test_secrets_are_read_by_name_only() -> None:
    found = allowed(made("  inputs: [{kind: secrets, names: [a, b]}]\n")[0])
    assert found == BASE | {("", "secrets:a"): READ, ("", "secrets:b"): READ}


def test_actions_bring_what_the_mesh_needs() -> None:
    found = allowed(made("  actions: [split, scale]\n")[0])
    assert found[("networking.istio.io", "virtualservices")] == OWN
    assert found[("apps", "deployments")] == READ | {"patch"}
    assert found[("apps", "deployments/scale")] == {"get", "update", "patch"}
    assert ("", "pods") not in found


def test_the_finalizers_kinds_count_only_when_it_is_enabled() -> None:
    more = "enableFinalizer: true\nfinalizer:\n  outputs: [services]\n"
    assert allowed(made("", more=more)[0])[("", "services")] == OWN


def test_kinds_of_custom_parameters_count() -> None:
    more = "customParameters:\n- {lowerName: upstreams, singleName: Upstream, apiGroup: g.io}\n"
    found = allowed(made("  outputs: [upstreams]\n", more=more)[0])
    assert found[("g.io", "upstreams")] == OWN


def test_all_namespaces_need_a_cluster_role() -> None:
    role, binding, lease, lease_binding, *_ = made("")
    assert (role["kind"], binding["kind"]) == ("ClusterRole", "ClusterRoleBinding")
    assert "namespace" not in role["metadata"]
    assert (lease["kind"], lease_binding["kind"]) == ("Role", "RoleBinding")
    assert lease["metadata"]["namespace"] == "default"
    assert allowed(lease) == {
        ("coordination.k8s.io", "leases"): {"get", "create", "update", "patch"}
    }


def test_one_namespace_needs_a_role_in_it() -> None:
    role, binding, lease, *_ = made("", {"watch_namespace": "shop"})
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "shop")
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "thing-operator", "namespace": "shop"}
    ]
    assert lease["metadata"]["namespace"] == "shop"


def test_the_account_lives_where_the_lease_lives() -> None:
    found = made("", {"watch_namespace": "shop", "leader_election_namespace": "ops"})
    role, binding, lease, *_ = found
    assert role["metadata"]["namespace"] == "shop"
    assert binding["subjects"][0]["namespace"] == "ops"
    assert lease["metadata"]["namespace"] == "ops"


@pytest.mark.parametrize(
    "namespace, scope", [("'*'", ("ClusterRole", None)), ("istio-system", ("Role", "istio-system"))]
)
def test_an_input_elsewhere_needs_a_role_there(namespace: str, scope: tuple[str, str]) -> None:
    phase = f"  inputs: [{{kind: pods, namespace: {namespace}}}]\n"
    roles = {
        (each["kind"], each["metadata"].get("namespace")): allowed(each)
        for each in made(phase, {"watch_namespace": "shop"})
        if "rules" in each and each["metadata"]["name"] == "thing-operator"
    }
    assert roles == {("Role", "shop"): BASE, scope: {("", "pods"): READ}}


def test_what_is_allowed_everywhere_is_not_allowed_again_in_a_namespace() -> None:
    phase = "  inputs: [{kind: pods, namespace: istio-system}]\n- name: Two\n  inputs: [pods]\n"
    kinds = [each["kind"] for each in made(phase)]
    assert kinds == ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", *kinds[:2]]


@pytest.mark.parametrize("watched", ["", "shop"])
def test_every_operator_may_read_the_order_to_halt_and_no_other_config_map(watched: str) -> None:
    role, binding = made("", {"watch_namespace": watched})[4:]
    assert (role["kind"], binding["kind"]) == ("ClusterRole", "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "thing-operator-halt"
    assert allowed(role) == {("", "configmaps:autopilot-halt"): READ}


def test_one_that_acts_may_see_which_namespaces_opt_out() -> None:
    role = made("  actions: [split]\n")[4]
    assert allowed(role) == {
        ("", "configmaps:autopilot-halt"): READ,
        ("", "namespaces"): READ,
    }
