import asyncio
import json

from kubectl_kit import Kubectl, config_map, deployment, finish, namespace, needs_kubectl, widget

pytestmark = needs_kubectl


async def test_get_prints_a_table_and_wide_prints_more(kubectl: Kubectl):
    await kubectl.apply(deployment())
    table = await kubectl("get", "deployments")
    assert table.lines[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert table.rows()[0][:4] == ["web", "0/2", "0", "0"]
    wide = await kubectl("get", "deploy", "web", "-o", "wide")
    assert wide.rows()[0][5:] == ["c", "img:1", "app=web"]


async def test_get_prints_whole_objects_as_yaml_json_names_and_columns(kubectl: Kubectl):
    await kubectl.apply(config_map(key="value"))
    assert (await kubectl.read("cm", "c"))["data"] == {"key": "value"}
    as_json = await kubectl("get", "cm", "c", "-o", "json")
    assert json.loads(as_json.out)["data"] == {"key": "value"}
    assert (await kubectl("get", "cm", "-o", "name")).lines == ["configmap/c"]
    path = await kubectl("get", "cm", "c", "-o", "jsonpath={.data.key}")
    assert path.out == "value"
    columns = await kubectl("get", "cm", "-o", "custom-columns=N:.metadata.name,V:.data.key")
    assert columns.rows() == [["c", "value"]]


async def test_get_selects_by_labels_fields_and_namespaces(kubectl: Kubectl):
    await kubectl.apply(namespace("other"))
    await kubectl.apply(config_map("a", {"tier": "front"}), config_map("b", {"tier": "back"}))
    await kubectl("apply", "-n", "other", "-f", "-", stdin=json.dumps(config_map("c")))
    by_label = await kubectl("get", "cm", "-l", "tier in (front,x)", "-o", "name")
    assert by_label.lines == ["configmap/a"]
    not_equal = await kubectl("get", "cm", "-l", "tier,tier!=front", "-o", "name")
    assert not_equal.lines == ["configmap/b"]
    by_field = await kubectl("get", "cm", "--field-selector", "metadata.name=b", "-o", "name")
    assert by_field.lines == ["configmap/b"]
    everywhere = await kubectl("get", "cm", "-A")
    assert ["other", "c"] in [row[:2] for row in everywhere.rows()]
    labelled = await kubectl("get", "cm", "a", "--show-labels", "-L", "tier")
    assert labelled.rows()[0][-2:] == ["front", "tier=front"]


async def test_get_reports_what_is_missing_or_malformed(kubectl: Kubectl):
    missing = await kubectl.run("get", "cm", "nope")
    assert missing.code == 1
    assert missing.err == 'Error from server (NotFound): configmaps "nope" not found\n'
    assert "No resources found in default namespace." in (await kubectl("get", "cm")).err
    unknown = await kubectl.run("get", "gizmos")
    assert 'the server doesn\'t have a resource type "gizmos"' in unknown.err
    field = await kubectl.run("get", "cm", "--field-selector", "data.a=b")
    assert "field label not supported: data.a" in field.err


async def test_get_sorts_and_pages(kubectl: Kubectl):
    await kubectl.apply(*(config_map(f"c{i}", key=str(9 - i)) for i in range(7)))
    listed = await kubectl("get", "cm", "--chunk-size=2", "--sort-by=.data.key", "-o", "name")
    assert listed.lines == [f"configmap/c{i}" for i in reversed(range(7))]


async def test_get_watches_rows_as_they_change(kubectl: Kubectl):
    await kubectl.apply(deployment())
    process = await kubectl.start("get", "deploy", "-w", "--output-watch-events")
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert (await process.stdout.readline()).split()[0] == b"EVENT"
        assert (await process.stdout.readline()).split()[:2] == [b"ADDED", b"web"]
        await kubectl("scale", "deploy/web", "--replicas=5")
        assert (await process.stdout.readline()).split()[:3] == [b"MODIFIED", b"web", b"0/5"]
        await kubectl("delete", "deploy", "web")
        assert (await process.stdout.readline()).split()[:2] == [b"DELETED", b"web"]
    process.terminate()
    await finish(process)


async def test_a_custom_kind_prints_its_own_columns(widgets: Kubectl):
    await widgets.apply(widget(size=3))
    patch = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    await widgets("patch", "wd", "w", "--subresource=status", "--type=merge", "-p", patch)
    table = await widgets("get", "wd")
    assert table.lines[0].split() == ["NAME", "SIZE", "READY", "AGE"]
    assert table.rows()[0][:3] == ["w", "3", "True"]
    wide = await widgets("get", "widgets.example.com", "-o", "wide")
    assert wide.rows()[0][3] == "red"


async def test_all_lists_every_kind_of_the_category(widgets: Kubectl):
    await widgets.apply(deployment(), widget())
    names = (await widgets("get", "all", "-o", "name")).lines
    assert {"deployment.apps/web", "widget.example.com/w"} <= set(names)


async def test_managed_fields_show_on_request(kubectl: Kubectl):
    await kubectl.apply(config_map(key="value"))
    assert "managedFields" not in (await kubectl.read("cm", "c"))["metadata"]
    shown = await kubectl.read("cm", "c", "--show-managed-fields")
    entry = shown["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"]) == ("kubectl-client-side-apply", "Update")
    assert entry["fieldsV1"]["f:data"] == {".": {}, "f:key": {}}


async def test_resources_versions_and_explanations_are_told(widgets: Kubectl):
    resources = (await widgets("api-resources", "--verbs=list", "--namespaced")).out
    assert "deployments" in resources
    row = next(line for line in resources.splitlines() if line.startswith("widgets"))
    assert row.split() == ["widgets", "wd", "example.com/v1", "true", "Widget"]
    assert "example.com/v1" in (await widgets("api-versions")).lines
    version = json.loads((await widgets("version", "-o", "json")).out)
    assert version["serverVersion"]["gitVersion"].startswith("v1.")
    explained = (await widgets("explain", "widgets.spec.size")).out
    assert "How big" in explained
    assert "<integer>" in explained
    tree = (await widgets("explain", "wd", "--recursive")).out
    assert "weight" in tree


async def test_describe_shows_an_object_with_its_events(kubectl: Kubectl):
    await kubectl.apply(deployment())
    web = await kubectl.read("deploy", "web")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e1"},
        "type": "Warning",
        "reason": "Odd",
        "message": "something is odd",
        "involvedObject": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "web",
            "namespace": "default",
            "uid": web["metadata"]["uid"],
        },
        "source": {"component": "test"},
        "firstTimestamp": web["metadata"]["creationTimestamp"],
        "lastTimestamp": web["metadata"]["creationTimestamp"],
        "count": 1,
    }
    await kubectl.apply(event)
    described = (await kubectl("describe", "deploy", "web")).out
    assert "Replicas:               2 desired" in described
    assert "something is odd" in described
    listed = await kubectl("get", "events")
    assert listed.lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert listed.rows()[0][1:4] == ["Warning", "Odd", "deployment/web"]
    assert "something is odd" in (await kubectl("events", "--for", "deploy/web")).out


async def test_describe_shows_a_custom_resource(widgets: Kubectl):
    await widgets.apply(widget(size=3))
    described = (await widgets("describe", "wd", "w")).out
    assert "Kind:         Widget" in described
    assert "Size:" in described
