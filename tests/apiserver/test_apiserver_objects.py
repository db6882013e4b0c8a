"""Create, read, update, patch: what every object goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from apiserver_kit import (
    APPLY,
    DEFINITIONS,
    JSON_PATCH,
    MAPS,
    MERGE,
    STRATEGIC,
    WIDGETS,
    config_map,
    widget,
)

from autopilot.base.clock import VirtualClock
from autopilot.sandbox.apiserver import metadata
from autopilot.sandbox.apiserver.store import Store

if TYPE_CHECKING:
    from apiserver_kit import Api

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            },
            **spec,
        },
    }


async def test_a_created_object_gets_what_only_the_server_can_give(api: Api) -> None:
    made = await api.ok("POST", MAPS, config_map(x="1"))
    given = made["metadata"]
    assert given["uid"] and given["creationTimestamp"].endswith("Z")
    assert given["namespace"] == "default"
    assert int(given["resourceVersion"]) == api.store.version
    assert "generation" not in given
    assert await api.ok("GET", f"{MAPS}/a") == made


async def test_every_write_takes_the_next_version_of_one_row(api: Api) -> None:
    first = await api.ok("POST", MAPS, config_map("a"))
    second = await api.ok("POST", DEPLOYMENTS, deployment())
    versions = [int(one["metadata"]["resourceVersion"]) for one in (first, second)]
    assert versions[1] == versions[0] + 1
    listed = await api.ok("GET", MAPS)
    assert int(listed["metadata"]["resourceVersion"]) == versions[1]


async def test_a_name_is_given_out_once(api: Api) -> None:
    await api.ok("POST", MAPS, config_map())
    answer = await api.call("POST", MAPS, config_map())
    assert (answer.status, answer.body["reason"]) == (409, "AlreadyExists")
    assert answer.message == 'configmaps "a" already exists'
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}


async def test_generate_name_makes_a_name_of_its_own_for_each(api: Api) -> None:
    body = {"metadata": {"generateName": "run-"}}
    names = {(await api.ok("POST", MAPS, body))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("run-") and len(name) == 9 for name in names)


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254])
async def test_a_name_that_dns_refuses_is_refused(api: Api, name: str) -> None:
    answer = await api.call("POST", MAPS, config_map(name))
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_bad_label_is_named_with_the_rule_that_it_breaks(api: Api) -> None:
    body = {"metadata": {"name": "a", "labels": {"ok": "not ok"}}}
    answer = await api.call("POST", MAPS, body)
    assert answer.status == 422
    assert 'metadata.labels: Invalid value: "not ok": a valid label must be' in answer.message


async def test_a_label_that_is_no_string_is_no_request_at_all(api: Api) -> None:
    answer = await api.call("POST", MAPS, {"metadata": {"name": "a", "labels": {"n": 1}}})
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


async def test_what_is_not_there_is_not_found_by_its_full_name(api: Api) -> None:
    answer = await api.call("GET", f"{DEPLOYMENTS}/nope")
    assert answer.status == 404
    assert answer.message == 'deployments.apps "nope" not found'
    assert answer.body["details"] == {"name": "nope", "group": "apps", "kind": "deployments"}


async def test_a_put_under_an_old_version_conflicts(api: Api) -> None:
    old = await api.ok("POST", MAPS, config_map(x="1"))
    await api.merge(f"{MAPS}/a", {"data": {"x": "2"}})
    answer = await api.call("PUT", f"{MAPS}/a", old)
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert "the object has been modified; please apply your changes" in answer.message


async def test_a_put_without_a_version_replaces_a_builtin_but_no_custom_resource(
    widgets: Api,
) -> None:
    await widgets.ok("POST", MAPS, config_map(x="1"))
    replaced = await widgets.ok("PUT", f"{MAPS}/a", config_map(y="2"))
    assert replaced["data"] == {"y": "2"}
    await widgets.ok("POST", WIDGETS, widget())
    answer = await widgets.call("PUT", f"{WIDGETS}/w", widget())
    assert answer.status == 422
    assert "metadata.resourceVersion: Invalid value: 0x0: must be specified" in answer.message


async def test_a_put_of_another_object_of_the_same_name_conflicts(api: Api) -> None:
    body = await api.ok("POST", MAPS, config_map())
    del body["metadata"]["resourceVersion"]
    body["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    answer = await api.call("PUT", f"{MAPS}/a", body)
    assert answer.status == 409
    assert "UID in precondition" in answer.message


async def test_a_write_that_changes_nothing_bumps_nothing_and_tells_nobody(api: Api) -> None:
    made = await api.ok("POST", MAPS, config_map(x="1"))
    version = api.store.version
    assert await api.merge(f"{MAPS}/a", {"data": {"x": "1"}}) == made
    assert await api.ok("PUT", f"{MAPS}/a", made) == made
    assert api.store.version == version


async def test_what_only_the_server_can_change_is_put_back(api: Api) -> None:
    made = await api.ok("POST", MAPS, config_map())
    forged = {
        "uid": made["metadata"]["uid"],
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "generation": 99,
        "selfLink": "/x",
        "labels": {"a": "b"},
    }
    patched = await api.merge(f"{MAPS}/a", {"metadata": forged})
    assert patched["metadata"]["labels"] == {"a": "b"}
    assert patched["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    assert not {"deletionTimestamp", "generation", "selfLink"} & set(patched["metadata"])


async def test_generation_counts_changes_of_the_spec_alone(widgets: Api) -> None:
    path = f"{WIDGETS}/w"
    assert (await widgets.ok("POST", WIDGETS, widget()))["metadata"]["generation"] == 1
    labelled = await widgets.merge(path, {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    status = await widgets.merge(f"{path}/status", {"status": {"phase": "Up"}})
    assert status["metadata"]["generation"] == 1
    assert (await widgets.merge(path, {"spec": {"size": 2}}))["metadata"]["generation"] == 2


async def test_status_is_written_through_its_own_door_only(widgets: Api) -> None:
    path = f"{WIDGETS}/w"
    body = widget()
    body["status"] = {"phase": "Forged"}
    assert "status" not in await widgets.ok("POST", WIDGETS, body)
    assert "status" not in await widgets.merge(path, {"status": {"phase": "Forged"}})
    change = {"spec": {"size": 9}, "status": {"phase": "Up"}, "metadata": {"labels": {"a": "b"}}}
    written = await widgets.merge(f"{path}/status", change)
    assert written["status"] == {"phase": "Up"}
    assert written["spec"]["size"] == 1
    assert "labels" not in written["metadata"]
    assert (await widgets.merge(path, {"spec": {"size": 5}}))["status"] == {"phase": "Up"}


async def test_a_json_patch_whose_test_fails_changes_nothing(api: Api) -> None:
    await api.ok("POST", MAPS, config_map(x="1"))
    operations = [
        {"op": "replace", "path": "/data/x", "value": "2"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
    ]
    answer = await api.call("PATCH", f"{MAPS}/a", operations, media=JSON_PATCH)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert (await api.ok("GET", f"{MAPS}/a"))["data"] == {"x": "1"}


async def test_a_strategic_patch_merges_lists_by_their_keys_but_not_in_custom_resources(
    widgets: Api,
) -> None:
    await widgets.ok("POST", DEPLOYMENTS, deployment())
    change = {"containers": [{"name": "side", "image": "side:1"}]}
    body = {"spec": {"template": {"spec": change}}}
    patched = await widgets.ok("PATCH", f"{DEPLOYMENTS}/web", body, media=STRATEGIC)
    names = {one["name"] for one in patched["spec"]["template"]["spec"]["containers"]}
    assert names == {"app", "side"}
    await widgets.ok("POST", WIDGETS, widget())
    answer = await widgets.call("PATCH", f"{WIDGETS}/w", {}, media=STRATEGIC)
    assert (answer.status, answer.body["reason"]) == (415, "UnsupportedMediaType")


async def test_a_patch_of_an_unknown_type_is_not_guessed_at(api: Api) -> None:
    await api.ok("POST", MAPS, config_map())
    answer = await api.call("PATCH", f"{MAPS}/a", {})
    assert answer.status == 415


async def test_server_side_apply_makes_owns_and_drops_fields(widgets: Api) -> None:
    path = f"{WIDGETS}/w"
    made = await widgets.apply(path, widget(colour="red", replicas=1))
    assert made.status == 201
    again = await widgets.apply(path, widget(colour="red", replicas=1))
    assert again.status == 200
    assert again.body == made.body
    dropped = await widgets.apply(path, widget(colour="red"))
    assert "replicas" not in dropped.body["spec"]


async def test_two_managers_of_one_field_conflict_unless_one_forces(widgets: Api) -> None:
    path = f"{WIDGETS}/w"
    await widgets.apply(path, widget(size=1), manager="one")
    answer = await widgets.apply(path, widget(size=2), manager="two")
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert answer.body["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    assert answer.body["details"]["causes"][0]["field"] == ".spec.size"
    forced = await widgets.apply(f"{path}?force=true", widget(size=2), manager="two")
    assert forced.body["spec"]["size"] == 2


async def test_apply_needs_a_field_manager(widgets: Api) -> None:
    answer = await widgets.call("PATCH", f"{WIDGETS}/w", widget(), media=APPLY)
    assert answer.status == 422
    assert "fieldManager: Required value: is required for apply patch" in answer.message


async def test_status_can_be_applied(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget())
    body = {**widget(), "status": {"phase": "Up"}}
    del body["spec"]
    answer = await widgets.apply(f"{WIDGETS}/w/status", body)
    assert answer.body["status"] == {"phase": "Up"}
    managed = answer.body["metadata"]["managedFields"]
    applied = [one for one in managed if one["operation"] == "Apply"]
    assert [one["subresource"] for one in applied] == ["status"]
    assert applied[0]["fieldsV1"] == {"f:status": {"f:phase": {}}}


async def test_a_dry_run_answers_and_changes_nothing(widgets: Api) -> None:
    version = widgets.store.version
    made = await widgets.ok("POST", f"{WIDGETS}?dryRun=All", widget())
    assert made["spec"]["colour"] == "grey"
    assert (await widgets.call("GET", f"{WIDGETS}/w")).status == 404
    await widgets.ok("POST", WIDGETS, widget())
    patched = await widgets.merge(f"{WIDGETS}/w?dryRun=All", {"spec": {"size": 7}})
    assert patched["spec"]["size"] == 7
    await widgets.ok("DELETE", f"{WIDGETS}/w?dryRun=All")
    assert (await widgets.ok("GET", f"{WIDGETS}/w"))["spec"]["size"] == 1
    assert widgets.store.version == version + 1


async def test_unknown_fields_are_refused_warned_of_or_dropped_as_asked(widgets: Api) -> None:
    body = widget(sise=3)
    strict = await widgets.call("POST", f"{WIDGETS}?fieldValidation=Strict", body)
    assert strict.status == 400
    assert strict.message == (
        'Widget in version "v1" cannot be handled as a Widget: '
        'strict decoding error: unknown field "spec.sise"'
    )
    warned = await widgets.call("POST", WIDGETS, body)
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.sise\\""'
    assert "sise" not in warned.body["spec"]
    body["metadata"]["name"] = "x"
    ignored = await widgets.call("POST", f"{WIDGETS}?fieldValidation=Ignore", body)
    assert ignored.status == 201
    assert "Warning" not in ignored.headers


async def test_a_body_may_be_yaml_and_is_refused_as_protobuf_with_advice(api: Api) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  at: 2026-01-01\n"
    made = await api.ok("POST", MAPS, text, media="application/yaml")
    assert made["data"] == {"at": "2026-01-01"}
    answer = await api.call("POST", MAPS, b"k8s\0", media="application/vnd.kubernetes.protobuf")
    assert (answer.status, answer.body["reason"]) == (415, "UnsupportedMediaType")
    assert "kubectl apply -f FILE" in answer.message


async def test_bodies_that_are_no_objects_are_refused(api: Api) -> None:
    for text in ("", "{", "[]", '{"metadata": 1}', '{"metadata": {"name": NaN}}', "[" * 100_000):
        answer = await api.call("POST", MAPS, text)
        assert answer.status == 400, text[:20]
        assert answer.body["kind"] == "Status"


async def test_a_body_beyond_the_limit_is_refused(api: Api) -> None:
    answer = await api.call("POST", MAPS, config_map(x="x" * (3 << 20)))
    assert (answer.status, answer.body["reason"]) == (413, "RequestEntityTooLarge")


async def test_a_body_of_another_kind_or_place_is_refused(api: Api) -> None:
    for body in (
        {**config_map(), "kind": "Secret"},
        {**config_map(), "apiVersion": "v2"},
        {**config_map(), "metadata": {"name": "a", "namespace": "elsewhere"}},
        {**config_map(), "metadata": {"name": "a", "resourceVersion": "5"}},
    ):
        assert (await api.call("POST", MAPS, body)).status == 400
    await api.ok("POST", MAPS, config_map())
    assert (await api.call("PUT", f"{MAPS}/a", config_map("b"))).status == 400
    answer = await api.call("PATCH", f"{MAPS}/a", {"metadata": {"name": "b"}}, media=MERGE)
    assert answer.status == 400


async def test_a_deployment_gets_the_defaults_that_clients_rely_on(api: Api) -> None:
    spec = (await api.ok("POST", DEPLOYMENTS, deployment()))["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == ("Always", 30)


async def test_a_deployment_must_select_its_own_pods_for_ever(api: Api) -> None:
    wrong = deployment(selector={"matchLabels": {"app": "other"}})
    answer = await api.call("POST", DEPLOYMENTS, wrong)
    assert "`selector` does not match template `labels`" in answer.message
    await api.ok("POST", DEPLOYMENTS, deployment())
    change = {
        "spec": {
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}},
        }
    }
    answer = await api.call("PATCH", f"{DEPLOYMENTS}/web", change, media=MERGE)
    assert answer.status == 422
    assert "field is immutable" in answer.message


async def test_a_service_gets_an_address_and_keeps_it(api: Api) -> None:
    services = "/api/v1/namespaces/default/services"
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}
    made = await api.ok("POST", services, body)
    address = made["spec"]["clusterIP"]
    assert address.startswith("10.")
    assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    body["metadata"]["labels"] = {"x": "y"}  # type: ignore[index]
    assert (await api.ok("PUT", f"{services}/s", body))["spec"]["clusterIP"] == address
    answer = await api.call(
        "PATCH", f"{services}/s", {"spec": {"clusterIP": "10.0.0.1"}}, media=MERGE
    )
    assert answer.status == 422


async def test_scale_is_a_view_of_replicas_and_counts_as_a_change_of_spec(widgets: Api) -> None:
    await widgets.ok("POST", DEPLOYMENTS, deployment())
    await widgets.ok("POST", WIDGETS, widget(replicas=2))
    for path, replicas in ((f"{DEPLOYMENTS}/web", 1), (f"{WIDGETS}/w", 2)):
        scale = await widgets.ok("GET", f"{path}/scale")
        assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
        assert scale["spec"]["replicas"] == replicas
        patched = await widgets.merge(f"{path}/scale", {"spec": {"replicas": 5}})
        assert patched["spec"]["replicas"] == 5
        whole = await widgets.ok("GET", path)
        assert (whole["spec"]["replicas"], whole["metadata"]["generation"]) == (5, 2)
        patched["spec"]["replicas"] = 3
        put = await widgets.ok("PUT", f"{path}/scale", patched)
        assert put["spec"]["replicas"] == 3
        stale = await widgets.call("PUT", f"{path}/scale", patched)
        assert stale.status == 409
    scale = await widgets.ok("GET", f"{DEPLOYMENTS}/web/scale")
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}


async def test_both_event_apis_show_the_same_events(api: Api) -> None:
    core = "/api/v1/namespaces/default/events"
    new = "/apis/events.k8s.io/v1/namespaces/default/events"
    about = {"kind": "Pod", "name": "p", "namespace": "default"}
    body = {
        "metadata": {"name": "e1"},
        "involvedObject": about,
        "message": "hello",
        "type": "Normal",
    }
    await api.ok("POST", core, body)
    shown = await api.ok("GET", f"{new}/e1")
    assert (shown["apiVersion"], shown["note"], shown["regarding"]) == (
        "events.k8s.io/v1", "hello", about,
    )  # fmt: skip
    await api.ok("POST", new, {"metadata": {"name": "e2"}, "regarding": about, "note": "again"})
    listed = await api.ok("GET", f"{core}?fieldSelector=involvedObject.name=p")
    assert [one["message"] for one in listed["items"]] == ["hello", "again"]
    listed = await api.ok("GET", f"{new}?fieldSelector=regarding.name=p")
    assert [one["note"] for one in listed["items"]] == ["hello", "again"]


async def test_whoever_has_the_token_may_do_everything(api: Api) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    body = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    assert (await api.ok("POST", path, body))["status"]["allowed"] is True


async def test_a_definition_itself_is_checked(api: Api) -> None:
    answer = await api.call("POST", DEFINITIONS, {"metadata": {"name": "x"}, "spec": {}})
    assert answer.status == 422
    fields = {cause["field"] for cause in answer.body["details"]["causes"]}
    assert {"spec.group", "spec.scope", "spec.names.plural", "spec.versions"} <= fields


async def test_true_is_not_one(api: Api) -> None:
    await api.ok("POST", DEPLOYMENTS, deployment(paused=True))
    patched = await api.merge(f"{DEPLOYMENTS}/web", {"spec": {"paused": 1}})
    assert patched["spec"]["paused"] is not True
    assert patched["metadata"]["generation"] == 2


async def test_a_patch_type_is_no_type_of_a_whole_object(api: Api) -> None:
    assert (await api.call("POST", MAPS, config_map(), media=MERGE)).status == 415


async def test_a_generated_name_that_is_taken_is_drawn_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["run-aaaaa", "run-aaaaa", "run-bbbbb"])
    monkeypatch.setattr(metadata, "generated_name", lambda base: next(drawn))
    body = {"metadata": {"generateName": "run-"}}
    names = [(await api.ok("POST", MAPS, body))["metadata"]["name"] for _ in range(2)]
    assert names == ["run-aaaaa", "run-bbbbb"]


async def test_events_are_bounded_in_number_and_age() -> None:
    clock = VirtualClock()
    store = Store(clock)
    about = {"kind": "Pod", "name": "p", "namespace": "default"}

    def event() -> None:
        metadata = {"generateName": "e-", "namespace": "default"}
        body = {"apiVersion": "v1", "kind": "Event", "metadata": metadata}
        store.create({**body, "involvedObject": about})

    for _ in range(2100):
        event()
    assert len(store.list("events")) == 2000
    clock.move(3700)
    event()
    assert len(store.list("events")) == 1
