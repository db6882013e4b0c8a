import asyncio

import pytest
from kubectl_kit import Kubectl, config_map, deployment, finish, namespace, needs_kubectl, widget

pytestmark = needs_kubectl

TIME_OUT = "--timeout=9s"


def owned(name, owner, block=True):
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": block,
    }
    body = config_map(name)
    body["metadata"]["ownerReferences"] = [reference]
    return body


async def gone(kubectl, *args):
    return (await kubectl.run("get", *args)).code == 1


async def test_delete_waits_until_the_object_is_gone(kubectl: Kubectl):
    await kubectl.apply(config_map())
    answer = await kubectl("delete", "cm", "c", TIME_OUT)
    assert answer.out.startswith('configmap "c" deleted')
    assert await gone(kubectl, "cm", "c")
    missing = await kubectl.run("delete", "cm", "c")
    assert "(NotFound)" in missing.err
    await kubectl("delete", "cm", "c", "--ignore-not-found")


async def test_delete_by_label_file_and_all(kubectl: Kubectl):
    await kubectl.apply(config_map("a", {"x": "1"}), config_map("b"), config_map("c"))
    await kubectl("delete", "cm", "-l", "x=1", TIME_OUT)
    assert (await kubectl("get", "cm", "-o", "name")).lines == ["configmap/b", "configmap/c"]
    await kubectl("delete", "cm", "--all", TIME_OUT)
    assert (await kubectl("get", "cm", "-o", "name")).lines == []


async def test_a_finalizer_holds_an_object_until_it_is_removed(kubectl: Kubectl):
    body = config_map()
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await kubectl.apply(body)
    process = await kubectl.start("delete", "cm", "c", TIME_OUT)
    await kubectl("wait", "cm/c", "--for=jsonpath={.metadata.deletionTimestamp}", TIME_OUT)
    assert process.returncode is None
    patch = '{"metadata":{"finalizers":null}}'
    await kubectl("patch", "cm", "c", "--type=merge", "-p", patch)
    assert (await finish(process)).code == 0
    assert await gone(kubectl, "cm", "c")


async def test_deleting_in_the_background_takes_dependents_too(widgets: Kubectl):
    await widgets.apply(widget())
    owner = await widgets.read("wd", "w")
    await widgets.apply(owned("child", owner))
    await widgets("delete", "wd", "w", TIME_OUT)
    await widgets("wait", "--for=delete", "cm/child", TIME_OUT)


async def test_deleting_in_the_foreground_waits_for_dependents(widgets: Kubectl):
    await widgets.apply(widget())
    owner = await widgets.read("wd", "w")
    child = owned("child", owner)
    child["metadata"]["finalizers"] = ["example.com/hold"]
    await widgets.apply(child)
    await widgets("delete", "wd", "w", "--cascade=foreground", "--wait=false")
    await widgets("wait", "cm/child", "--for=jsonpath={.metadata.deletionTimestamp}", TIME_OUT)
    held = await widgets.read("wd", "w")
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    patch = '{"metadata":{"finalizers":null}}'
    await widgets("patch", "cm", "child", "--type=merge", "-p", patch)
    await widgets("wait", "--for=delete", "wd/w", TIME_OUT)


async def test_deleting_with_orphans_leaves_dependents_without_an_owner(widgets: Kubectl):
    await widgets.apply(widget())
    owner = await widgets.read("wd", "w")
    await widgets.apply(owned("child", owner))
    await widgets("delete", "wd", "w", "--cascade=orphan", TIME_OUT)
    assert "ownerReferences" not in (await widgets.read("cm", "child"))["metadata"]


async def test_deleting_a_namespace_sweeps_it(kubectl: Kubectl):
    await kubectl.apply(namespace("n"))
    await kubectl.apply(config_map(), more=("-n", "n"))
    await kubectl("delete", "namespace", "n", TIME_OUT)
    assert await gone(kubectl, "namespace", "n")
    assert await gone(kubectl, "cm", "c", "-n", "n")


async def test_deleting_a_definition_takes_its_resources_and_its_kind(widgets: Kubectl):
    await widgets.apply(widget())
    await widgets("delete", "crd", "widgets.example.com", TIME_OUT)
    answer = await widgets.run("get", "widgets.example.com")
    assert answer.code == 1


async def test_wait_sees_conditions_values_and_deletion(widgets: Kubectl):
    await widgets.apply(widget())
    waiting = [
        await widgets.start("wait", "wd/w", "--for=condition=Ready", TIME_OUT),
        await widgets.start("wait", "wd/w", "--for=condition=Stalled=False", TIME_OUT),
        await widgets.start("wait", "wd/w", "--for=jsonpath={.status.phase}=Done", TIME_OUT),
        await widgets.start("wait", "wd", "--all", "--for=jsonpath={.spec.size}=1", TIME_OUT),
    ]
    status = (
        '{"status":{"phase":"Done","conditions":['
        '{"type":"Ready","status":"True"},{"type":"Stalled","status":"False"}]}}'
    )
    await widgets("patch", "wd", "w", "--subresource=status", "--type=merge", "-p", status)
    for answer in await asyncio.gather(*(finish(process) for process in waiting)):
        assert answer.code == 0, answer.err
        assert answer.out == "widget.example.com/w condition met\n"
    process = await widgets.start("wait", "wd/w", "--for=delete", TIME_OUT)
    await widgets("delete", "wd", "w", TIME_OUT)
    assert (await finish(process)).code == 0


async def test_wait_gives_up_after_its_time(kubectl: Kubectl):
    await kubectl.apply(deployment())
    answer = await kubectl.run("wait", "deploy/web", "--for=condition=Odd", "--timeout=300ms")
    assert answer.code == 1
    assert "timed out waiting for the condition on deployments/web" in answer.err


async def test_wait_for_creation_sees_an_object_that_comes_later(kubectl: Kubectl):
    process = await kubectl.start("wait", "cm/later", "--for=create", TIME_OUT)
    await kubectl.apply(config_map("later"))
    answer = await finish(process)
    if 'unrecognized condition: "create"' in answer.err:
        pytest.skip("this kubectl can't wait for a creation")
    assert answer.code == 0
