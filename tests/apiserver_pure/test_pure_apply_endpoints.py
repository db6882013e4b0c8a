"""Which part of an object an apply writes and owns, by the endpoint it comes to."""

import pytest

from autopilot.base.clock import SystemClock
from autopilot.sandbox.apiserver.core import WriteOptions
from autopilot.sandbox.apiserver.errors import ApiError
from autopilot.sandbox.apiserver.fieldset import paths
from autopilot.sandbox.apiserver.store import Store
from autopilot.sandbox.apiserver.target import Target
from autopilot.sandbox.apiserver.writes import APPLY, Patch, patch

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        },
    },
    "status": {"replicas": 2},
}


def applied(store, body, subresource="", manager="me", force=False):
    kind = store.kind("deployments.apps")
    target = Target(kind, "default", "web", subresource)
    options = WriteOptions(manager=manager, force=force)
    return patch(store.core, target, Patch(APPLY, body), options)[0]


def owned(body, manager):
    return {
        path
        for entry in body["metadata"]["managedFields"]
        if entry["manager"] == manager
        for path in paths(entry["fieldsV1"])
    }


@pytest.fixture
def store():
    return Store(SystemClock())


def test_an_apply_of_the_object_neither_writes_nor_owns_its_status(store):
    made = applied(store, DEPLOYMENT)
    assert made.get("status", {}) == {}
    assert not any(path.startswith(".status") for path in owned(made, "me"))
    again = applied(store, {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 3}})
    assert again.get("status", {}) == {}
    assert not any(path.startswith(".status") for path in owned(again, "me"))


def test_an_apply_of_the_status_writes_and_owns_nothing_else(store):
    applied(store, DEPLOYMENT)
    intent = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 9}}
    body = applied(store, intent, subresource="status", manager="controller")
    assert body["spec"]["replicas"] == 2
    assert body["status"] == {"replicas": 2}
    assert owned(body, "controller") == {".status.replicas"}
    entry = next(e for e in body["metadata"]["managedFields"] if e["manager"] == "controller")
    assert entry["subresource"] == "status"


def test_defaults_belong_to_no_applier(store):
    made = applied(store, DEPLOYMENT)
    assert made["spec"]["revisionHistoryLimit"] == 10
    assert ".spec.revisionHistoryLimit" not in owned(made, "me")


def test_a_conflict_answers_409_with_a_cause_per_field(store):
    applied(store, DEPLOYMENT)
    store.merge("deployments.apps", "web", {"spec": {"replicas": 5}}, "default")
    with pytest.raises(ApiError) as caught:
        applied(store, DEPLOYMENT)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert [cause["field"] for cause in caught.value.details["causes"]] == [".spec.replicas"]


def test_a_repeated_apply_writes_nothing(store):
    applied(store, DEPLOYMENT)
    version = store.version
    applied(store, DEPLOYMENT)
    assert store.version == version
