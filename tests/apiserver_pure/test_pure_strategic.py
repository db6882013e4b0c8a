import copy

import pytest

from autopilot.sandbox.apiserver.patch import PatchError
from autopilot.sandbox.apiserver.strategic import strategic_merge


def pod_template(**spec):
    return {"spec": {"template": {"spec": spec}}}


def merged(doc, patch, group="apps", kind="Deployment"):
    before = copy.deepcopy((doc, patch))
    result = strategic_merge(doc, patch, group, kind)
    assert (doc, patch) == before, "an input was mutated"
    return result


def containers(result):
    return result["spec"]["template"]["spec"]["containers"]


def test_containers_merge_by_name_and_new_ones_go_first():
    doc = pod_template(
        containers=[{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}]
    )
    patch = pod_template(
        containers=[
            {"name": "b", "image": "2"},
            {"name": "a", "env": [{"name": "Y", "value": "2"}]},
        ]
    )
    assert containers(merged(doc, patch)) == [
        {"name": "b", "image": "2"},
        {
            "name": "a",
            "image": "1",
            "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}],
        },
    ]


def test_an_item_is_deleted_by_its_key():
    doc = pod_template(containers=[{"name": "a"}, {"name": "b"}])
    patch = pod_template(containers=[{"name": "a", "$patch": "delete"}])
    assert containers(merged(doc, patch)) == [{"name": "b"}]


def test_a_list_is_replaced_on_request():
    doc = pod_template(containers=[{"name": "a"}, {"name": "b"}])
    patch = pod_template(containers=[{"$patch": "replace"}, {"name": "c"}])
    assert containers(merged(doc, patch)) == [{"name": "c"}]


def test_the_order_that_a_patch_sets_is_kept_around_the_servers_own_items():
    doc = pod_template(containers=[{"name": "a"}, {"name": "injected"}, {"name": "b"}])
    patch = pod_template(
        **{
            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
            "containers": [{"name": "b", "image": "2"}],
        }
    )
    assert containers(merged(doc, patch)) == [
        {"name": "injected"},
        {"name": "b", "image": "2"},
        {"name": "a"},
    ]


def test_an_order_alone_reorders():
    doc = pod_template(containers=[{"name": "a"}, {"name": "b"}])
    patch = pod_template(**{"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]})
    assert [c["name"] for c in containers(merged(doc, patch))] == ["b", "a"]


def test_tolerations_and_arguments_are_replaced_as_wholes():
    doc = pod_template(tolerations=[{"key": "a"}], containers=[{"name": "a", "args": ["1", "2"]}])
    patch = pod_template(tolerations=[{"key": "b"}], containers=[{"name": "a", "args": ["3"]}])
    result = merged(doc, patch)["spec"]["template"]["spec"]
    assert result["tolerations"] == [{"key": "b"}]
    assert result["containers"] == [{"name": "a", "args": ["3"]}]


def test_retained_keys_drop_all_others():
    doc = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert merged(doc, patch) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_retained_keys_must_name_all_that_is_set():
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}
    with pytest.raises(PatchError) as caught:
        strategic_merge({"spec": {}}, patch, "apps", "Deployment")
    assert caught.value.status == 400


def test_volumes_swap_their_source():
    doc = pod_template(volumes=[{"name": "v", "emptyDir": {}}])
    patch = pod_template(
        volumes=[{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}]
    )
    assert merged(doc, patch) == pod_template(volumes=[{"name": "v", "configMap": {"name": "c"}}])


def test_finalizers_are_a_set():
    doc = {"metadata": {"finalizers": ["a", "b"]}}
    added = merged(doc, {"metadata": {"finalizers": ["c", "a"]}}, "", "ConfigMap")
    assert sorted(added["metadata"]["finalizers"]) == ["a", "b", "c"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert merged(doc, patch, "", "ConfigMap") == {"metadata": {"finalizers": ["b"]}}


def test_owners_merge_by_uid_and_conditions_by_type():
    doc = {
        "metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "R"}]},
    }
    patch = {
        "metadata": {"ownerReferences": [{"uid": "2", "name": "b"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    result = merged(doc, patch, "", "Pod")
    assert {one["uid"] for one in result["metadata"]["ownerReferences"]} == {"1", "2"}
    assert result["status"]["conditions"] == [{"type": "Ready", "status": "True", "reason": "R"}]


def test_service_ports_merge_by_port():
    doc = {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 443}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    assert merged(doc, patch, "", "Service") == {
        "spec": {"ports": [{"port": 80, "name": "http", "targetPort": 8080}, {"port": 443}]}
    }


def test_null_removes_and_a_new_object_holds_no_directive():
    doc = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    patch = {
        "metadata": {"labels": {"a": None}, "annotations": {"$patch": "merge", "n": None, "c": "3"}}
    }
    assert merged(doc, patch) == {"metadata": {"labels": {"b": "2"}, "annotations": {"c": "3"}}}


def test_an_object_is_replaced_or_emptied_on_request():
    doc = {"metadata": {"labels": {"a": "1"}, "annotations": {"b": "1"}}}
    patch = {
        "metadata": {"labels": {"$patch": "replace", "c": "1"}, "annotations": {"$patch": "delete"}}
    }
    assert merged(doc, patch) == {"metadata": {"labels": {"c": "1"}, "annotations": {}}}


def test_an_unknown_directive_answers_400():
    with pytest.raises(PatchError) as caught:
        strategic_merge({}, {"metadata": {"$patch": "mix"}}, "", "Pod")
    assert caught.value.status == 400


def test_an_item_without_its_merge_key_answers_422():
    with pytest.raises(PatchError) as caught:
        strategic_merge({}, pod_template(containers=[{"image": "i"}]), "apps", "Deployment")
    assert caught.value.status == 422
    assert "does not contain declared merge key: name" in caught.value.message


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"])
def test_every_workloads_template_has_merge_keys(kind):
    doc = pod_template(initContainers=[{"name": "a", "ports": [{"containerPort": 1, "name": "p"}]}])
    patch = pod_template(
        initContainers=[{"name": "a", "ports": [{"containerPort": 1, "hostPort": 2}]}]
    )
    assert merged(doc, patch, "apps", kind) == pod_template(
        initContainers=[{"name": "a", "ports": [{"containerPort": 1, "name": "p", "hostPort": 2}]}]
    )


def test_a_cron_jobs_template_has_merge_keys():
    doc = {"spec": {"jobTemplate": pod_template(containers=[{"name": "a", "image": "1"}])}}
    patch = {"spec": {"jobTemplate": pod_template(containers=[{"name": "a", "tty": True}])}}
    assert merged(doc, patch, "batch", "CronJob") == {
        "spec": {"jobTemplate": pod_template(containers=[{"name": "a", "image": "1", "tty": True}])}
    }
