"""Custom resources: served at once, checked by their schema, gone with their definition."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from apiserver_kit import DEFINITIONS, SCHEMA, WIDGETS, definition, widget

from autopilot.sandbox.apiserver import definitions

if TYPE_CHECKING:
    from apiserver_kit import Api


async def test_a_kind_is_served_as_soon_as_its_definition_is_stored(api: Api) -> None:
    assert (await api.call("GET", WIDGETS)).status == 404
    made = await api.ok("POST", DEFINITIONS, definition())
    conditions = {one["type"]: one["status"] for one in made["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["spec"]["names"]["singular"] == "widget"
    assert (await api.ok("GET", WIDGETS))["kind"] == "WidgetList"
    resources = (await api.ok("GET", "/apis/example.io/v1"))["resources"]
    assert [one["name"] for one in resources] == ["widgets", "widgets/scale", "widgets/status"]
    assert resources[0]["shortNames"] == ["wd"]


async def test_an_object_is_defaulted_pruned_and_checked(widgets: Api) -> None:
    made = await widgets.ok("POST", WIDGETS, widget(unknown=1))
    assert made["spec"] == {"size": 1, "colour": "grey"}
    answer = await widgets.call("POST", WIDGETS, widget("x", size=-1, colour="blue"))
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    causes = {one["field"]: one["reason"] for one in answer.body["details"]["causes"]}
    assert causes == {
        "spec.size": "FieldValueInvalid",
        "spec.colour": "FieldValueNotSupported",
    }
    assert answer.message.startswith('Widget.example.io "x" is invalid: [')
    single = await widgets.call("POST", WIDGETS, {**widget("y"), "spec": {}})
    assert single.message == 'Widget.example.io "y" is invalid: spec.size: Required value'


async def test_status_is_checked_too(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget())
    body = {**(await widgets.ok("GET", f"{WIDGETS}/w")), "status": {"phase": 5}}
    assert (await widgets.call("PUT", f"{WIDGETS}/w/status", body)).status == 422


async def test_an_object_must_say_what_it_is(widgets: Api) -> None:
    assert (await widgets.call("POST", WIDGETS, {"metadata": {"name": "x"}})).status == 400


async def test_one_object_is_shown_in_all_its_versions(api: Api) -> None:
    body = definition()
    old = {**body["spec"]["versions"][0], "name": "v1alpha1", "storage": False}
    body["spec"]["versions"].append(old)
    await api.ok("POST", DEFINITIONS, body)
    older = WIDGETS.replace("v1", "v1alpha1")
    made = await api.ok("POST", older, {**widget(), "apiVersion": "example.io/v1alpha1"})
    assert made["apiVersion"] == "example.io/v1alpha1"
    assert (await api.ok("GET", f"{WIDGETS}/w"))["apiVersion"] == "example.io/v1"
    async with api.watch(older) as watch:
        assert (await watch.next())[1]["apiVersion"] == "example.io/v1alpha1"
    group = await api.ok("GET", "/apis/example.io")
    assert group["preferredVersion"]["version"] == "v1"


async def test_a_changed_definition_holds_from_the_next_write(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget())
    body = await widgets.ok("GET", f"{DEFINITIONS}/widgets.example.io")
    schema = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["extra"] = {"type": "string", "default": "new"}
    await widgets.ok("PUT", f"{DEFINITIONS}/widgets.example.io", body)
    patched = await widgets.merge(f"{WIDGETS}/w", {"metadata": {"labels": {"a": "b"}}})
    assert patched["spec"]["extra"] == "new"
    assert "extra" not in SCHEMA["properties"]["spec"]["properties"]


async def test_with_the_definition_its_objects_go_and_finalizers_hold_both(widgets: Api) -> None:
    body = widget()
    body["metadata"]["finalizers"] = ["example.io/hold"]
    await widgets.ok("POST", WIDGETS, body)
    await widgets.ok("POST", WIDGETS, widget("free"))
    ending = await widgets.ok("DELETE", f"{DEFINITIONS}/widgets.example.io")
    assert ending["status"]["conditions"][-1]["type"] == "Terminating"
    await widgets.until(lambda: widgets.store.find("widgets.example.io", "free", "default") is None)
    refused = await widgets.call("POST", WIDGETS, widget("late"))
    assert (refused.status, refused.body["reason"]) == (405, "MethodNotAllowed")
    await widgets.merge(f"{WIDGETS}/w", {"metadata": {"finalizers": None}})
    await widgets.until(lambda: widgets.store.registry.resource("widgets.example.io") is None)
    assert (await widgets.call("GET", WIDGETS)).status == 404
    assert (await widgets.call("GET", "/apis/example.io/v1")).status == 404


async def test_watches_outlive_their_definition_a_little(
    widgets: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert definitions.LINGER >= 2
    monkeypatch.setattr(definitions, "LINGER", 0.3)
    await widgets.ok("POST", WIDGETS, widget())
    async with widgets.watch(WIDGETS) as watch:
        assert await watch.take(1) == [("ADDED", "w")]
        began = asyncio.get_running_loop().time()
        await widgets.ok("DELETE", f"{DEFINITIONS}/widgets.example.io")
        assert await watch.take(1) == [("DELETED", "w")]
        assert await watch.ended()
        assert asyncio.get_running_loop().time() - began >= 0.25


async def test_a_definition_can_come_back(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget())
    await widgets.ok("DELETE", f"{DEFINITIONS}/widgets.example.io")
    await widgets.until(lambda: widgets.store.registry.resource("widgets.example.io") is None)
    await widgets.ok("POST", DEFINITIONS, definition())
    assert (await widgets.ok("GET", WIDGETS))["items"] == []


async def test_the_name_of_a_definition_is_made_of_its_parts(api: Api) -> None:
    body = definition()
    body["metadata"]["name"] = "widgets.elsewhere.io"
    answer = await api.call("POST", DEFINITIONS, body)
    assert 'must be spec.names.plural+"."+spec.group' in answer.message


async def test_custom_columns_show_in_tables(api: Api) -> None:
    column = {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
    body = definition(additionalPrinterColumns=[column])
    await api.ok("POST", DEFINITIONS, body)
    await api.ok("POST", WIDGETS, widget(size=7))
    table = await api.ok("GET", WIDGETS, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert table["rows"][0]["cells"][:2] == ["w", 7]


async def test_selectable_fields_select(api: Api) -> None:
    body = definition(selectableFields=[{"jsonPath": ".spec.colour"}])
    await api.ok("POST", DEFINITIONS, body)
    await api.ok("POST", WIDGETS, widget("r", colour="red"))
    await api.ok("POST", WIDGETS, widget("g"))
    listed = await api.ok("GET", f"{WIDGETS}?fieldSelector=spec.colour=red")
    assert [one["metadata"]["name"] for one in listed["items"]] == ["r"]


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "object", "properties": []}, "properties"),
        ({"type": "object", "properties": {"spec": 5}}, "properties[spec]"),
        ({"type": "object", "required": "spec"}, "required"),
        ({"type": "array"}, "type"),
    ],
)
async def test_a_schema_of_the_wrong_shape_is_refused_where_it_is_wrong(
    api: Api, schema: dict[str, Any], field: str
) -> None:
    body = definition(schema={"openAPIV3Schema": schema})
    answer = await api.call("POST", DEFINITIONS, body)
    assert answer.status == 422
    at = f"spec.versions[0].schema.openAPIV3Schema.{field}"
    assert [one["field"] for one in answer.body["details"]["causes"]] == [at]
