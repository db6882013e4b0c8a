from datetime import UTC, datetime, timedelta

import pytest

from autopilot.sandbox.apiserver.ages import human_duration
from autopilot.sandbox.apiserver.jsonpath import compile_path
from autopilot.sandbox.apiserver.table import (
    columns_for,
    partial_metadata,
    partial_metadata_list,
    render_table,
)

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def meta(name="a", **more):
    created = NOW - timedelta(minutes=3, seconds=20)
    return {"name": name, "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ"), **more}


def cells(group, plural, obj):
    columns = columns_for(group, plural, None)
    table = render_table(columns, [obj], now=NOW, include_object="None", resource_version="1")
    return dict(zip([column.name for column in columns], table["rows"][0]["cells"], strict=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-0.5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (200, "3m20s"),
        (600, "10m"), (10799, "179m"), (10800, "3h"), (3600 * 7 + 120, "7h2m"), (3600 * 8, "8h"),
        (3600 * 47, "47h"), (86400 * 2, "2d"), (86400 * 3 + 3600 * 4, "3d4h"),
        (86400 * 8, "8d"), (86400 * 729, "729d"), (86400 * 730, "2y"), (86400 * 735, "2y5d"),
        (86400 * 365 * 9, "9y"),
    ],
)  # fmt: skip
def test_ages_read_as_kubectl_prints_them(seconds, text):
    assert human_duration(seconds) == text


def test_a_deployment_shows_what_is_ready_of_what_is_wanted():
    deployment = {
        "metadata": meta(),
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{"name": "c", "image": "i:1"}]}},
        },
        "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
    }
    assert cells("apps", "deployments", deployment) == {
        "Name": "a", "Ready": "2/3", "Up-to-date": 3, "Available": 2, "Age": "3m20s",
        "Containers": "c", "Images": "i:1", "Selector": "app=web",
    }  # fmt: skip


def status(state, **more):
    return {"name": "c", "ready": False, "restartCount": 0, "state": state, **more}


@pytest.mark.parametrize(
    ("pod_status", "word"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Running", "containerStatuses": [
            status({"running": {}}, ready=True)]}, "Running"),
        ({"phase": "Running", "containerStatuses": [
            status({"waiting": {"reason": "CrashLoopBackOff"}})]}, "CrashLoopBackOff"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"phase": "Succeeded", "containerStatuses": [
            status({"terminated": {"reason": "Completed", "exitCode": 0}})]}, "Completed"),
        ({"phase": "Failed", "containerStatuses": [
            status({"terminated": {"exitCode": 3}})]}, "ExitCode:3"),
        ({"phase": "Pending", "initContainerStatuses": [
            status({"waiting": {"reason": "ImagePullBackOff"}})]}, "Init:ImagePullBackOff"),
        ({"phase": "Pending", "initContainerStatuses": [status({"running": {}})]}, "Init:0/1"),
        ({"phase": "Running", "initContainerStatuses": [
            status({"terminated": {"exitCode": 0}})]}, "Running"),
        ({"phase": "Pending", "initContainerStatuses": [
            status({"terminated": {"exitCode": 2}})]}, "Init:ExitCode:2"),
        ({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "reason": "SchedulingGated"}]}, "SchedulingGated"),
        ({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "reason": "Unschedulable"}]}, "Pending"),
    ],
)  # fmt: skip
def test_a_pods_status_is_the_word_that_kubectl_prints(pod_status, word):
    pod = {
        "metadata": meta(),
        "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "c"}]},
        "status": pod_status,
    }
    assert cells("", "pods", pod)["Status"] == word


def test_a_pod_that_is_being_deleted_is_terminating_and_restarts_tell_when():
    ended = {"finishedAt": "2024-05-01T11:59:00Z", "exitCode": 1}
    running = status({"running": {}}, ready=True, lastState={"terminated": ended}, restartCount=4)
    pod = {
        "metadata": meta(deletionTimestamp="2024-05-01T12:00:00Z"),
        "spec": {"containers": [{"name": "c"}, {"name": "d"}], "nodeName": "n"},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [running]},
    }
    row = cells("", "pods", pod)
    assert (row["Ready"], row["Status"], row["Restarts"]) == ("1/2", "Terminating", "4 (60s ago)")
    assert (row["IP"], row["Node"]) == ("10.0.0.1", "n")


def test_a_service_shows_its_ports_and_addresses():
    service = {
        "metadata": meta(),
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.0.0.1",
            "ports": [{"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP"}],
            "selector": {"b": "2", "a": "1"},
        },
    }
    row = cells("", "services", service)
    assert row["Port(s)"] == "80:30080/TCP,53/UDP"
    assert row["External-IP"] == "<pending>"
    assert row["Selector"] == "a=1,b=2"


def test_other_builtin_kinds_show_their_own_columns():
    endpoints = {
        "metadata": meta(),
        "subsets": [
            {"addresses": [{"ip": f"10.0.0.{i}"} for i in range(5)], "ports": [{"port": 1}]}
        ],
    }
    assert cells("", "endpoints", endpoints)["Endpoints"] == (
        "10.0.0.0:1,10.0.0.1:1,10.0.0.2:1 + 2 more..."
    )
    assert cells("", "configmaps", {"metadata": meta(), "data": {"a": ""}})["Data"] == 1
    namespace = {"metadata": meta(), "status": {"phase": "Active"}}
    assert cells("", "namespaces", namespace)["Status"] == "Active"
    lease = {"metadata": meta(), "spec": {"holderIdentity": "me"}}
    assert cells("coordination.k8s.io", "leases", lease)["Holder"] == "me"
    node = {
        "metadata": meta(labels={"node-role.kubernetes.io/worker": ""}),
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}],
        },
    }
    row = cells("", "nodes", node)
    assert row["Status"] == "Ready,SchedulingDisabled"
    assert (row["Roles"], row["Internal-IP"]) == ("worker", "10.1.1.1")
    event = {
        "metadata": meta(),
        "type": "Warning",
        "reason": "Failed",
        "message": "no\n",
        "involvedObject": {"kind": "Pod", "name": "p"},
        "lastTimestamp": "2024-05-01T11:59:50Z",
        "count": 2,
    }
    row = cells("", "events", event)
    assert (row["Last Seen"], row["Object"], row["Message"]) == ("10s", "pod/p", "no")
    slice_ = {"metadata": meta(), "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]}
    assert cells("discovery.k8s.io", "endpointslices", slice_)["Endpoints"] == "10.0.0.1"
    job = {
        "metadata": meta(),
        "spec": {"completions": 2},
        "status": {
            "succeeded": 2,
            "conditions": [{"type": "Complete", "status": "True"}],
            "startTime": "2024-05-01T11:00:00Z",
            "completionTime": "2024-05-01T11:00:30Z",
        },
    }
    row = cells("batch", "jobs", job)
    assert (row["Status"], row["Completions"], row["Duration"]) == ("Complete", "2/2", "30s")


def test_an_unknown_kind_shows_name_and_age():
    assert cells("e.com", "things", {"metadata": meta()}) == {"Name": "a", "Age": "3m20s"}


CUSTOM = {
    "metadata": meta(labels={"a.b/c": "x"}),
    "spec": {"size": 3, "big": True, "hosts": ["a", "b"], "n": "text"},
    "status": {
        "conditions": [{"type": "Synced", "status": "False"}, {"type": "Ready", "status": "True"}]
    },
}


@pytest.mark.parametrize(
    ("kind", "path", "cell"),
    [
        ("integer", ".spec.size", 3),
        ("integer", ".spec.n", None),
        ("boolean", ".spec.big", True),
        ("string", ".spec.size", "3"),
        ("string", ".spec.big", "true"),
        ("string", ".spec.hosts", '["a","b"]'),
        ("string", ".spec.hosts[*]", "a,b"),
        ("string", ".spec.hosts[-1]", "b"),
        ("string", '.status.conditions[?(@.type=="Ready")].status', "True"),
        ("string", ".status.conditions[?(@.type!='Ready')].status", "False"),
        ("string", r".metadata.labels.a\.b/c", "x"),
        ("string", ".metadata.labels['a.b/c']", "x"),
        ("string", ".spec.missing", None),
        ("date", ".metadata.creationTimestamp", "3m20s"),
        ("date", ".spec.missing", None),
    ],
)
def test_a_crds_columns_follow_their_json_paths(kind, path, cell):
    columns = columns_for("e.com", "ws", [{"name": "C", "type": kind, "jsonPath": path}])
    table = render_table(columns, [CUSTOM], now=NOW, include_object="", resource_version="")
    assert table["rows"][0]["cells"] == ["a", cell]


def test_a_path_of_other_syntax_is_refused():
    with pytest.raises(ValueError, match="unsupported JSONPath"):
        compile_path(".a[?(@.b=~1)]")


def test_a_table_tells_its_columns_and_holds_what_is_asked_of_each_object():
    columns = columns_for("e.com", "ws", [
        {"name": "C", "type": "string", "jsonPath": ".spec.n", "priority": 1, "description": "d"}
    ])  # fmt: skip
    table = render_table(columns, [CUSTOM], now=NOW, include_object="Object", resource_version="7")
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert table["metadata"] == {"resourceVersion": "7"}
    assert table["columnDefinitions"][0]["format"] == "name"
    assert table["columnDefinitions"][1] == {
        "name": "C", "type": "string", "format": "", "description": "d", "priority": 1,
    }  # fmt: skip
    assert table["rows"][0]["object"] is CUSTOM
    table = render_table(columns, [CUSTOM], now=NOW, include_object="", resource_version="7")
    assert table["rows"][0]["object"] == partial_metadata(CUSTOM)


def test_metadata_alone_leaves_the_rest_out():
    listed = partial_metadata_list({"metadata": {"resourceVersion": "3"}, "items": [CUSTOM]})
    assert listed["kind"] == "PartialObjectMetadataList"
    assert listed["items"] == [
        {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": CUSTOM["metadata"],
        }
    ]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{.a.[1]}", [{"n": 2, "t": "y"}]),
        ("$.a[0].t", ["x"]),
        (".a[?(@.n<2)].t", ["x"]),
        (".a[?(@.n<=2)].t", ["x", "y"]),
        (".a[?(@.n>1)].t", ["y"]),
        (".a[?(@.n>=1)].t", ["x", "y"]),
        (".a[?(@.t<2)].t", []),
        (".a[?(@.n)].n", [1, 2]),
        (".a[7]", []),
        (".m.*", [True]),
        (".m[?(@==true)]", [True]),
        (".", [{"a": [{"n": 1, "t": "x"}, {"n": 2, "t": "y"}], "m": {"k": True}}]),
    ],
)
def test_paths_find_members_items_and_what_filters_let_through(path, found):
    value = {"a": [{"n": 1, "t": "x"}, {"n": 2, "t": "y"}], "m": {"k": True}}
    assert compile_path(path)(value) == found


def test_a_selectors_expressions_are_spelt_out():
    expressions = [
        {"key": "a", "operator": "In", "values": ["2", "1"]},
        {"key": "b", "operator": "NotIn", "values": ["3"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"app": "w"}, "matchExpressions": expressions}
    body = {"metadata": meta(), "spec": {"selector": selector}}
    assert cells("apps", "replicasets", body)["Selector"] == "app=w,a in (1,2),b notin (3),c,!d"


def test_readiness_gates_and_sidecars_count_as_kubectl_counts_them():
    pod = {
        "metadata": meta(),
        "spec": {
            "containers": [{"name": "c"}],
            "readinessGates": [{"conditionType": "mesh/ready"}, {"conditionType": "x"}],
            "initContainers": [{"name": "proxy", "restartPolicy": "Always"}, {"name": "setup"}],
        },
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "mesh/ready", "status": "True"}],
            "initContainerStatuses": [
                {"name": "proxy", "started": True, "state": {"running": {}}},
                {"name": "setup", "started": True, "state": {"running": {}}},
            ],
        },
    }
    row = cells("", "pods", pod)
    assert (row["Readiness Gates"], row["Status"]) == ("1/2", "Init:1/2")
