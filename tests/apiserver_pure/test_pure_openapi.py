from autopilot.sandbox.apiserver.openapi import Kind, openapi_v3_document, openapi_v3_index

SCHEMA = {
    "type": "object",
    "description": "A widget",
    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
}
WIDGET = Kind("e.com", "v1", "Widget", "widgets", True, SCHEMA, ("status",))
NODE = Kind("", "v1", "Node", "nodes", False, None, ())
GVK = {"group": "e.com", "kind": "Widget", "version": "v1"}


def test_the_index_names_each_group_and_versions_document():
    paths = openapi_v3_index([WIDGET, NODE])["paths"]
    assert paths.keys() == {"apis/e.com/v1", "api/v1"}
    assert paths["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")


def test_the_hash_moves_with_the_schema_only():
    def address(schema):
        kind = Kind("e.com", "v1", "Widget", "widgets", True, schema, ())
        return openapi_v3_index([kind])["paths"]["apis/e.com/v1"]["serverRelativeURL"]

    assert address(SCHEMA) == address(dict(SCHEMA))
    assert address(SCHEMA) != address({"type": "object"})


def test_the_patch_of_a_kind_offers_what_kubectl_looks_for():
    document = openapi_v3_document("e.com", "v1", [WIDGET, NODE])
    patch = document["paths"]["/apis/e.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == GVK
    names = {one["name"] for one in patch["parameters"] if one["in"] == "query"}
    assert {"fieldValidation", "dryRun", "fieldManager", "force"} <= names
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]


def test_paths_follow_the_scope_and_the_subresources():
    paths = openapi_v3_document("e.com", "v1", [WIDGET])["paths"]
    root = "/apis/e.com/v1"
    assert paths.keys() == {
        f"{root}/widgets",
        f"{root}/namespaces/{{namespace}}/widgets",
        f"{root}/namespaces/{{namespace}}/widgets/{{name}}",
        f"{root}/namespaces/{{namespace}}/widgets/{{name}}/status",
    }
    assert openapi_v3_document("", "v1", [NODE])["paths"].keys() == {
        "/api/v1/nodes",
        "/api/v1/nodes/{name}",
    }


def test_a_crds_schema_is_told_with_the_parts_that_every_object_has():
    schemas = openapi_v3_document("e.com", "v1", [WIDGET])["components"]["schemas"]
    widget = schemas["com.e.v1.Widget"]
    assert widget["x-kubernetes-group-version-kind"] == [GVK]
    assert widget["properties"]["spec"] is SCHEMA["properties"]["spec"]
    assert {"apiVersion", "kind", "metadata"} <= widget["properties"].keys()
    reference = widget["properties"]["metadata"]["allOf"][0]["$ref"]
    assert reference.rpartition("/")[2] in schemas
    items = schemas["com.e.v1.WidgetList"]["properties"]["items"]
    assert items["items"] == {"$ref": "#/components/schemas/com.e.v1.Widget"}


def test_other_groups_and_versions_are_left_out():
    document = openapi_v3_document("", "v1", [WIDGET, NODE])
    assert not any("widgets" in path for path in document["paths"])


def test_parameters_of_paths_and_writes_are_told():
    paths = openapi_v3_document("e.com", "v1", [WIDGET, NODE])["paths"]
    single = paths["/apis/e.com/v1/namespaces/{namespace}/widgets/{name}"]
    assert [one["name"] for one in single["parameters"]] == ["name", "namespace"]
    many = paths["/apis/e.com/v1/namespaces/{namespace}/widgets"]
    assert [one["name"] for one in many["parameters"]] == ["namespace"]
    assert "parameters" not in paths["/apis/e.com/v1/widgets"]
    assert set(many["post"]["requestBody"]["content"]) == {"application/json"}
    assert "force" not in {one["name"] for one in many["post"]["parameters"]}
    assert "application/apply-patch+yaml" in single["patch"]["requestBody"]["content"]
