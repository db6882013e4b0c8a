"""What `deploy/` holds is accepted by an API server that checks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from autopilot.base.clock import VirtualClock
from autopilot.project.templates import TEMPLATES
from autopilot.sandbox.apiserver.errors import ApiError
from autopilot.sandbox.apiserver.server import ApiServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ORDER = ("crd", "service_account", "rbac", "configmap", "deployment", "example")


def manifests(project: Path, name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((project / f"deploy/{name}.yaml").read_text()))


@pytest.mark.parametrize("template", TEMPLATES)
def test_everything_is_accepted_in_the_readmes_order(
    template: str, scaffolded: Callable[[str], Path]
) -> None:
    store = ApiServer(clock=VirtualClock()).store
    for name in ORDER:
        for manifest in manifests(scaffolded(template), name):
            store.create(manifest, manifest["metadata"].get("namespace", ""))
    (crd,) = store.list("customresourcedefinitions.apiextensions.k8s.io")
    conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert "NonStructuralSchema" not in conditions


def test_the_schema_fills_in_defaults_and_refuses_what_the_model_refuses(
    scaffolded: Callable[[str], Path],
) -> None:
    store = ApiServer(clock=VirtualClock()).store
    project = scaffolded("canary")
    store.create(*manifests(project, "crd"))
    (example,) = manifests(project, "example")
    example["spec"] = {"deployment": "web"}
    stored = store.create(example, "default")
    assert stored["spec"]["analysis"]["maxLatency"] == "500ms"
    assert stored["spec"]["progressDeadline"] == "5m"
    for broken in ({"deployment": ""}, {"deployment": "x", "settle": "soon"}, {}):
        body = {**example, "metadata": {"name": "other", "namespace": "default"}, "spec": broken}
        with pytest.raises(ApiError) as caught:
            store.create(body, "default")
        assert caught.value.status == 422
