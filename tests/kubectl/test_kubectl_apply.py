import json

from kubectl_kit import (
    DEFINITION,
    Kubectl,
    config_map,
    deployment,
    documents,
    needs_kubectl,
    widget,
)

pytestmark = needs_kubectl

SERVER_SIDE = ("--server-side",)


async def test_apply_creates_then_does_nothing_then_configures(kubectl: Kubectl):
    assert (await kubectl.apply(deployment())).out == "deployment.apps/web created\n"
    assert (await kubectl.apply(deployment())).out == "deployment.apps/web unchanged\n"
    changed = await kubectl.apply(deployment(image="img:2", replicas=3))
    assert changed.out == "deployment.apps/web configured\n"
    web = await kubectl.read("deploy", "web")
    assert web["spec"]["replicas"] == 3
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "img:2"
    assert web["metadata"]["generation"] == 2


async def test_apply_removes_what_the_file_no_longer_holds_and_keeps_what_others_added(
    kubectl: Kubectl,
):
    await kubectl.apply(config_map(mine="1", gone="1"))
    await kubectl("patch", "cm", "c", "-p", '{"data":{"theirs":"1"}}')
    await kubectl.apply(config_map(mine="2"))
    assert (await kubectl.read("cm", "c"))["data"] == {"mine": "2", "theirs": "1"}


async def test_apply_merges_containers_by_name(kubectl: Kubectl):
    await kubectl.apply(deployment())
    side = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s"}]}}}}'
    await kubectl("patch", "deploy", "web", "-p", side)
    await kubectl.apply(deployment(image="img:2"))
    containers = (await kubectl.read("deploy", "web"))["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["image"] for one in containers} == {"c": "img:2", "side": "s"}


async def test_apply_of_a_custom_resource_merges_and_validates(widgets: Kubectl):
    await widgets.apply(widget(size=1, parts=[{"name": "a"}]))
    changed = await widgets.apply(widget(size=2, parts=[{"name": "b"}]))
    assert changed.out == "widget.example.com/w configured\n"
    spec = (await widgets.read("wd", "w"))["spec"]
    assert spec == {"size": 2, "colour": "red", "parts": [{"name": "b"}]}
    refused = await widgets.run("apply", "-f", "-", stdin=documents(widget(size="big")))
    assert refused.code == 1
    assert 'spec.size in body must be of type integer: "string"' in refused.err
    unknown = await widgets.run("apply", "-f", "-", stdin=documents(widget(typo=1)))
    assert 'strict decoding error: unknown field "spec.typo"' in unknown.err
    every = documents(widget(size=0, colour="blue"))
    causes = await widgets.run("apply", "--validate=false", "-f", "-", stdin=every)
    assert (
        "* spec.size: Invalid value: 0: spec.size in body should be greater than or" in causes.err
    )
    assert (
        '* spec.colour: Unsupported value: "blue": supported values: "green", "red"' in causes.err
    )


async def test_a_definition_and_its_resource_in_one_file_fail_once_as_on_a_cluster(
    kubectl: Kubectl,
):
    both = documents(DEFINITION, widget())
    first = await kubectl.run("apply", "-f", "-", stdin=both)
    assert first.code == 1
    assert 'no matches for kind "Widget"' in first.err
    second = await kubectl("apply", "-f", "-", stdin=both)
    assert "widget.example.com/w created" in second.out


async def test_a_server_side_apply_conflicts_until_it_is_forced(kubectl: Kubectl):
    applied = await kubectl.apply(deployment(), more=SERVER_SIDE)
    assert applied.out == "deployment.apps/web serverside-applied\n"
    await kubectl("scale", "deploy/web", "--replicas=7")
    text = documents(deployment())
    refused = await kubectl.run("apply", "--server-side", "-f", "-", stdin=text)
    assert refused.code == 1
    assert (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" '
        "using apps/v1: .spec.replicas"
    ) in refused.err
    assert (await kubectl.read("deploy", "web"))["spec"]["replicas"] == 7
    await kubectl.apply(deployment(), more=(*SERVER_SIDE, "--force-conflicts"))
    assert (await kubectl.read("deploy", "web"))["spec"]["replicas"] == 2


async def test_server_side_appliers_share_an_object(widgets: Kubectl):
    one = widget(parts=[{"name": "a", "weight": 1}])
    other = {**widget(), "spec": {"parts": [{"name": "b", "weight": 2}]}}
    await widgets.apply(one, more=(*SERVER_SIDE, "--field-manager=one"))
    await widgets.apply(other, more=(*SERVER_SIDE, "--field-manager=other"))
    parts = (await widgets.read("wd", "w"))["spec"]["parts"]
    assert parts == [{"name": "a", "weight": 1}, {"name": "b", "weight": 2}]
    await widgets.apply(widget(), more=(*SERVER_SIDE, "--field-manager=one"))
    assert (await widgets.read("wd", "w"))["spec"]["parts"] == [{"name": "b", "weight": 2}]


async def test_a_repeated_server_side_apply_writes_nothing(kubectl: Kubectl):
    await kubectl.apply(deployment(), more=SERVER_SIDE)
    before = (await kubectl.read("deploy", "web"))["metadata"]["resourceVersion"]
    await kubectl.apply(deployment(), more=SERVER_SIDE)
    assert (await kubectl.read("deploy", "web"))["metadata"]["resourceVersion"] == before


async def test_client_side_apply_migrates_to_server_side(kubectl: Kubectl):
    await kubectl.apply(deployment(replicas=2))
    await kubectl.apply(deployment(replicas=3), more=SERVER_SIDE)
    shown = await kubectl.read("deploy", "web", "--show-managed-fields")
    assert shown["spec"]["replicas"] == 3
    managers = {entry["manager"] for entry in shown["metadata"]["managedFields"]}
    assert "kubectl" in managers
    assert "kubectl-client-side-apply" not in managers


async def test_a_dry_run_writes_nothing(kubectl: Kubectl):
    dry = await kubectl.apply(config_map(key="1"), more=("--dry-run=server",))
    assert dry.out == "configmap/c created (server dry run)\n"
    assert (await kubectl.run("get", "cm", "c")).code == 1
    await kubectl.apply(config_map(key="1"))
    await kubectl.apply(
        config_map(key="2"), more=("--dry-run=server", *SERVER_SIDE, "--force-conflicts")
    )
    assert (await kubectl.read("cm", "c"))["data"] == {"key": "1"}


async def test_diff_tells_what_an_apply_would_change(kubectl: Kubectl):
    await kubectl.apply(config_map(key="1"))
    same = await kubectl.run("diff", "-f", "-", stdin=documents(config_map(key="1")))
    assert (same.code, same.out) == (0, "")
    for more in ((), ("--server-side", "--force-conflicts")):
        text = documents(config_map(key="2"))
        changed = await kubectl.run("diff", *more, "-f", "-", stdin=text)
        assert changed.code == 1
        assert '-  key: "1"' in changed.lines
        assert '+  key: "2"' in changed.lines


async def test_apply_prunes_by_label(kubectl: Kubectl):
    labels = {"set": "s"}
    await kubectl.apply(config_map("a", labels), config_map("b", labels))
    prune = ("--prune", "-l", "set=s", "--prune-allowlist=core/v1/ConfigMap")
    answer = await kubectl.apply(config_map("a", labels), more=prune)
    assert "configmap/b pruned" in answer.out
    assert (await kubectl("get", "cm", "-l", "set=s", "-o", "name")).lines == ["configmap/a"]


async def test_create_reads_json_and_yaml(kubectl: Kubectl):
    made = await kubectl("create", "-f", "-", stdin=json.dumps(config_map("a")))
    assert made.out == "configmap/a created\n"
    await kubectl("create", "-f", "-", stdin=documents(deployment(), config_map("b")))
    again = await kubectl.run("create", "-f", "-", stdin=documents(config_map("b")))
    assert (
        '(AlreadyExists): error when creating "STDIN": configmaps "b" already exists' in again.err
    )


async def test_replace_writes_the_whole_object(kubectl: Kubectl):
    await kubectl.apply(config_map(a="1", b="1"))
    await kubectl("replace", "-f", "-", stdin=documents(config_map(a="2")))
    assert (await kubectl.read("cm", "c"))["data"] == {"a": "2"}
    await kubectl("replace", "--force", "-f", "-", stdin=documents(config_map(a="3")))
    assert (await kubectl.read("cm", "c"))["data"] == {"a": "3"}


async def test_create_with_protobuf_says_what_to_do_instead(kubectl: Kubectl):
    answer = await kubectl.run("create", "namespace", "n")
    if answer.code != 0:
        assert "protobuf" in answer.err
        assert "kubectl apply -f" in answer.err
    made = await kubectl("create", "namespace", "m", "--dry-run=client", "-o", "yaml")
    await kubectl("apply", "-f", "-", stdin=made.out)
    assert (await kubectl("get", "ns", "m", "-o", "name")).lines == ["namespace/m"]
