from kubectl_kit import Kubectl, config_map, deployment, needs_kubectl, widget

pytestmark = needs_kubectl


def containers(body):
    return body["spec"]["template"]["spec"]["containers"]


async def test_patch_merges_json_patches_and_strategically_merges(kubectl: Kubectl):
    await kubectl.apply(deployment())
    await kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"spec":{"paused":true}}')
    side = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s"}]}}}}'
    await kubectl("patch", "deploy", "web", "-p", side)
    web = await kubectl.read("deploy", "web")
    assert web["spec"]["paused"] is True
    assert [one["name"] for one in containers(web)] == ["side", "c"]
    steps = (
        '[{"op":"test","path":"/spec/paused","value":true},'
        '{"op":"remove","path":"/spec/template/spec/containers/0"}]'
    )
    await kubectl("patch", "deploy", "web", "--type=json", "-p", steps)
    assert [one["name"] for one in containers(await kubectl.read("deploy", "web"))] == ["c"]
    same = await kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"spec":{"paused":true}}')
    assert same.out == "deployment.apps/web patched (no change)\n"


async def test_a_failed_test_of_a_json_patch_changes_nothing(kubectl: Kubectl):
    await kubectl.apply(config_map(a="1"))
    steps = '[{"op":"remove","path":"/data/a"},{"op":"test","path":"/data/b","value":"x"}]'
    refused = await kubectl.run("patch", "cm", "c", "--type=json", "-p", steps)
    assert refused.code == 1
    assert refused.err == (
        "The request is invalid: the server rejected our request due to an error in our request\n"
    )
    assert (await kubectl.read("cm", "c"))["data"] == {"a": "1"}


async def test_a_strategic_patch_of_a_custom_resource_is_refused(widgets: Kubectl):
    await widgets.apply(widget())
    refused = await widgets.run("patch", "wd", "w", "--type=strategic", "-p", '{"spec":{}}')
    assert refused.code == 1
    assert "strategic" in refused.err or "UnsupportedMediaType" in refused.err


async def test_status_is_patched_apart_from_the_rest(widgets: Kubectl):
    await widgets.apply(widget())
    both = '{"spec":{"size":9},"status":{"size":5}}'
    await widgets("patch", "wd", "w", "--subresource=status", "--type=merge", "-p", both)
    await widgets("patch", "wd", "w", "--type=merge", "-p", '{"status":{"size":7}}')
    body = await widgets.read("wd", "w")
    assert (body["spec"]["size"], body["status"]["size"]) == (1, 5)
    assert body["metadata"]["generation"] == 1


async def test_edit_opens_an_editor_and_saves_what_changed(kubectl: Kubectl):
    await kubectl.apply(deployment())
    editor = kubectl.script("editor", 'sed -i "s/replicas: 2/replicas: 4/" "$1"')
    answer = await kubectl("edit", "deploy", "web", EDITOR=editor)
    assert answer.out == "deployment.apps/web edited\n"
    shown = await kubectl.read("deploy", "web", "--show-managed-fields")
    assert shown["spec"]["replicas"] == 4
    owners = {entry["manager"]: entry["fieldsV1"] for entry in shown["metadata"]["managedFields"]}
    assert owners["kubectl-edit"] == {"f:spec": {"f:replicas": {}}}
    unchanged = await kubectl("edit", "deploy", "web", EDITOR=kubectl.script("nothing", "true"))
    assert "Edit cancelled, no changes made." in unchanged.err + unchanged.out


async def test_edit_of_a_custom_resource_shows_why_the_server_refuses_it(widgets: Kubectl):
    await widgets.apply(widget())
    # kubectl opens the file again with the reasons in it, and gives up where nothing changes then.
    change = 'grep -q "is invalid" "$1" || sed -i "s/size: 1/size: 0/" "$1"; cp "$1" "$COPY"'
    copy = widgets.folder / "copy"
    editor = widgets.script("editor", change)
    refused = await widgets.run("edit", "wd", "w", EDITOR=editor, COPY=str(copy))
    assert refused.code == 1
    reasons = copy.read_text("utf-8")
    assert "spec.size in body should be greater than or equal to 1" in reasons
    good = widgets.script("better", 'sed -i "s/size: 1/size: 2/" "$1"')
    await widgets("edit", "wd", "w", EDITOR=good)
    assert (await widgets.read("wd", "w"))["spec"]["size"] == 2


async def test_label_and_annotate_add_overwrite_and_remove(kubectl: Kubectl):
    await kubectl.apply(config_map(labels={"a": "1"}))
    await kubectl("label", "cm", "c", "b=2")
    refused = await kubectl.run("label", "cm", "c", "a=2")
    assert "--overwrite is false" in refused.err
    await kubectl("label", "cm", "c", "--overwrite", "a=3", "b-")
    await kubectl("annotate", "cm", "c", "note=hello")
    metadata = (await kubectl.read("cm", "c"))["metadata"]
    assert metadata["labels"] == {"a": "3"}
    assert metadata["annotations"]["note"] == "hello"
    bad = await kubectl.run("label", "cm", "c", "x=not a value")
    assert bad.code == 1


async def test_set_changes_images_environment_and_resources(kubectl: Kubectl):
    await kubectl.apply(deployment())
    changed = await kubectl("set", "image", "deploy/web", "c=img:2")
    assert changed.out == "deployment.apps/web image updated\n"
    await kubectl("set", "env", "deploy/web", "LATENCY_MS=5", "VERSION=v2")
    await kubectl("set", "env", "deploy/web", "VERSION-")
    await kubectl("set", "resources", "deploy/web", "--limits=cpu=200m")
    (container,) = containers(await kubectl.read("deploy", "web"))
    assert container["image"] == "img:2"
    assert container["env"] == [{"name": "LATENCY_MS", "value": "5"}]
    assert container["resources"] == {"limits": {"cpu": "200m"}}
    await kubectl("expose", "deploy", "web", "--port=80")
    await kubectl("set", "selector", "svc", "web", "app=other")
    assert (await kubectl.read("svc", "web"))["spec"]["selector"] == {"app": "other"}


async def test_scale_writes_the_size_of_builtin_and_custom_kinds(widgets: Kubectl):
    await widgets.apply(deployment(), widget())
    await widgets("scale", "deploy/web", "--replicas=5")
    assert (await widgets.read("deploy", "web"))["spec"]["replicas"] == 5
    refused = await widgets.run("scale", "deploy/web", "--current-replicas=1", "--replicas=2")
    assert "Expected replicas to be 1, was 5" in refused.err
    await widgets("scale", "wd/w", "--replicas=3")
    assert (await widgets.read("wd", "w"))["spec"]["size"] == 3


async def test_taint_and_cordon_change_a_node(kubectl: Kubectl):
    await kubectl.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    await kubectl("cordon", "n1")
    assert (await kubectl.read("node", "n1"))["spec"]["unschedulable"] is True
    await kubectl("taint", "node", "n1", "key=value:NoSchedule")
    taints = (await kubectl.read("node", "n1"))["spec"]["taints"]
    assert {"key": "key", "value": "value", "effect": "NoSchedule"} in taints
    assert "SchedulingDisabled" in (await kubectl("get", "nodes")).out
    await kubectl("uncordon", "n1")


async def test_whoever_holds_the_token_may_do_all(kubectl: Kubectl):
    assert (await kubectl("auth", "can-i", "delete", "pods")).out == "yes\n"
    assert "*.*" in (await kubectl("auth", "can-i", "--list")).out
    assert "autopilot-sandbox" in (await kubectl("auth", "whoami")).out


async def test_health_is_told_to_anybody(kubectl: Kubectl):
    assert (await kubectl("get", "--raw", "/readyz")).out.strip() == "ok"
