"""What the controllers write, before they write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autopilot.sandbox.workloads import deployment_status, endpoints_model, templates
from autopilot.sandbox.workloads.deployment_status import Counts, Newest
from autopilot.sandbox.workloads.objects import available, selects
from autopilot.sandbox.workloads.replicasets import surplus

Body = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def deployment(**spec: Any) -> Body:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "demo", "uid": "d", "generation": 3},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
            **spec,
        },
    }


def pod(name: str, port: int = 4000, *, ready: bool = True, ending: bool = False) -> Body:
    meta: Body = {
        "name": name, "namespace": "demo", "uid": name, "labels": {"app": "web"},
        "annotations": {"sandbox.autopilot.mesh/ports": f'{{"8080": {port}}}'},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    if ending:
        meta["deletionTimestamp"] = "2026-01-01T00:00:30Z"
    state = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}
    container = {"name": "a", "ports": [{"name": "http", "containerPort": 8080}]}
    return {
        "metadata": meta,
        "spec": {"nodeName": "sandbox", "containers": [container]},
        "status": {"conditions": [state]},
    }


def service(**port: Any) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "demo", "uid": "s", "labels": {"team": "a"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080, **port}]},
    }


def test_a_hash_follows_the_template_and_spells_no_words() -> None:
    one, two = templates.template_hash({"a": 1}), templates.template_hash({"a": 2})
    assert one == templates.template_hash({"a": 1})
    assert len({one, two, templates.template_hash({"a": 1}, 1)}) == 3
    assert not set(one) & set("aeiouy013")


def test_a_replica_set_is_recognised_by_its_template_whatever_its_hash() -> None:
    made = templates.replica_set_of(deployment(), 0, 1, 3)
    assert templates.same_template(made, deployment())
    changed = deployment()
    changed["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    assert not templates.same_template(made, changed)


def test_a_replica_set_takes_the_annotations_that_people_put_on_the_deployment() -> None:
    body = deployment()
    body["metadata"]["annotations"] = {
        "kubernetes.io/change-cause": "because",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "deployment.kubernetes.io/revision": "9",
    }
    assert templates.replica_set_of(body, 0, 4, 3)["metadata"]["annotations"] == {
        "kubernetes.io/change-cause": "because",
        "deployment.kubernetes.io/revision": "4",
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
    }


def test_a_pod_of_a_replica_set_has_its_labels_and_belongs_to_it() -> None:
    made = templates.replica_set_of(deployment(), 0, 1, 3)
    made["metadata"]["uid"] = "r"
    found = templates.pod_of(made)
    name = made["metadata"]["name"]
    assert found["metadata"]["generateName"] == f"{name}-"
    assert found["metadata"]["labels"] == {"app": "web", "pod-template-hash": name[4:]}
    assert found["metadata"]["ownerReferences"][0]["uid"] == "r"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, False),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "gone", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors(selector: Body | None, expected: bool) -> None:
    assert selects(selector, {"app": "web"}) is expected


def test_a_pod_is_available_when_it_was_ready_for_long_enough() -> None:
    assert available(pod("a"), 0, NOW)
    assert not available(pod("a"), 10, NOW + timedelta(seconds=9))
    assert available(pod("a"), 10, NOW + timedelta(seconds=10))
    assert not available(pod("a", ready=False), 0, NOW)


def test_the_pods_that_serve_nobody_are_ended_first() -> None:
    found = surplus([pod("a"), pod("b", ready=False), pod("c")], 1)
    assert [one["metadata"]["name"] for one in found] == ["b"]
    assert surplus([pod("a")], -1) == []


def test_endpoints_leave_out_what_ends_and_tell_what_is_not_ready() -> None:
    pods = [pod("a", 4001), pod("b", 4002, ready=False), pod("c", 4003, ending=True)]
    found = endpoints_model.endpoints_of(service(), endpoints_model.members(service(), pods))
    assert [(sorted(s), s["ports"][0]["port"]) for s in found["subsets"]] == [
        (["addresses", "ports"], 4001),
        (["notReadyAddresses", "ports"], 4002),
    ]


def test_slices_also_show_what_ends_and_keep_their_names() -> None:
    pods = [pod("a", 4001), pod("c", 4003, ending=True)]
    members = endpoints_model.members(service(), pods)
    slices = endpoints_model.slices_of(service(), members)
    assert [s["endpoints"][0]["conditions"]["terminating"] for s in slices] == [False, True]
    assert len({s["metadata"]["name"] for s in slices}) == 2
    assert slices == endpoints_model.slices_of(service(), members)
    assert slices[0]["metadata"]["labels"]["team"] == "a"


def test_a_pod_whose_ports_are_not_known_yet_is_no_member() -> None:
    unknown = pod("a")
    unknown["metadata"]["annotations"] = {}
    assert endpoints_model.members(service(), [unknown]) == []


def status(body: Body, counts: Counts, now: datetime = NOW, *, made: bool = False) -> Body:
    return deployment_status.status_of(body, counts, Newest("web-x", made), 0, now)


def progressing(told: Body) -> tuple[str, str]:
    return next(
        (c["status"], c["reason"]) for c in told["conditions"] if c["type"] == "Progressing"
    )


def test_progress_renews_the_deadline_and_its_lack_meets_it() -> None:
    body = deployment(progressDeadlineSeconds=10)
    body["status"] = status(body, Counts(0, 0, 0, 0), made=True)
    assert progressing(body["status"]) == ("True", "NewReplicaSetCreated")
    later = NOW + timedelta(seconds=9)
    body["status"] = status(body, Counts(1, 1, 1, 1), later)
    assert progressing(body["status"]) == ("True", "ReplicaSetUpdated")
    waits = deployment_status.until_deadline(body, later)
    assert waits == pytest.approx(10.1)
    body["status"] = status(body, Counts(1, 1, 1, 1), later + timedelta(seconds=9))
    assert progressing(body["status"]) == ("True", "ReplicaSetUpdated")
    body["status"] = status(body, Counts(1, 1, 1, 1), later + timedelta(seconds=11))
    assert progressing(body["status"]) == ("False", "ProgressDeadlineExceeded")
    assert deployment_status.until_deadline(body, later) is None


def test_a_finished_rollout_stays_finished_when_a_pod_is_lost() -> None:
    body = deployment()
    body["status"] = status(body, Counts(2, 2, 2, 2))
    assert progressing(body["status"]) == ("True", "NewReplicaSetAvailable")
    body["status"] = status(body, Counts(2, 2, 1, 1), NOW + timedelta(hours=1))
    assert progressing(body["status"]) == ("True", "NewReplicaSetAvailable")
    available_ = next(c for c in body["status"]["conditions"] if c["type"] == "Available")
    assert (available_["status"], available_["reason"]) == ("False", "MinimumReplicasUnavailable")


def test_a_status_that_says_the_same_is_the_same() -> None:
    body = deployment()
    body["status"] = status(body, Counts(2, 2, 2, 2))
    assert status(body, Counts(2, 2, 2, 2), NOW + timedelta(hours=1)) == body["status"]


def test_conditions_of_others_are_kept() -> None:
    body = deployment()
    theirs = {"type": "Theirs", "status": "True"}
    body["status"] = {"conditions": [theirs]}
    assert status(body, Counts(0, 0, 0, 0))["conditions"][0] == theirs
