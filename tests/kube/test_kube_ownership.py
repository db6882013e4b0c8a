from typing import Any

import pytest

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.kube.marks import MANAGED_BY, OPERATOR, OWNER, OWNER_UID
from autopilot.kube.ownership import NotOurs, StillLeaving, check_ours, ownership

Body = dict[str, Any]


def owner(uid: str = "u1", namespace: str | None = "shop") -> Body:
    meta: Body = {"name": "web", "uid": uid}
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": "flights.example.com/v1", "kind": "Canary", "metadata": meta}


def output(**meta: Any) -> Body:
    told = {"name": "vs", "namespace": "shop", **meta}
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": told}


def test_what_stands_beside_its_owner_carries_marks_and_an_owner_reference() -> None:
    given = output(labels={"mine": "1"})
    marked = ownership(owner(), "canary").mark(given)
    assert marked["metadata"]["labels"] == {
        "mine": "1",
        MANAGED_BY: "autopilot",
        OPERATOR: "canary",
        OWNER_UID: "u1",
    }
    assert marked["metadata"]["annotations"] == {OWNER: "Canary/shop/web"}
    (reference,) = marked["metadata"]["ownerReferences"]
    assert reference["uid"] == "u1"
    assert reference["controller"] is True
    assert reference["blockOwnerDeletion"] is True
    assert given == output(labels={"mine": "1"})


@pytest.mark.parametrize(
    ("home", "namespace"), [("shop", "istio-system"), (None, "shop"), (None, None), ("shop", "")]
)
def test_across_namespaces_there_are_marks_only(home: str | None, namespace: str | None) -> None:
    marks = ownership(owner(namespace=home), "canary", namespace)
    assert marks.owner_references == []
    assert "ownerReferences" not in marks.mark(output())["metadata"]
    assert marks.labels[OWNER_UID] == "u1"


def test_what_carries_our_marks_is_ours() -> None:
    marked = ownership(owner(), "canary").mark(output())
    check_ours(marked, marked)
    # Somebody took the owner reference away: still ours, and put back by the next apply.
    bare = {**marked, "metadata": {**marked["metadata"], "ownerReferences": []}}
    check_ours(marked, bare)


@pytest.mark.parametrize(
    ("meta", "holder"),
    [
        ({}, "nobody"),
        ({"labels": {MANAGED_BY: "Helm"}}, "Helm"),
        ({"managedFields": [{"manager": "kubectl-edit"}]}, "kubectl-edit"),
        ({"labels": {OWNER_UID: "u2"}, "annotations": {OWNER: "Canary/shop/api"}}, "shop/api"),
        (
            {
                "ownerReferences": [
                    {"kind": "Gateway", "name": "gw", "uid": "g", "controller": True}
                ]
            },
            "Gateway gw",
        ),
        (
            {
                "labels": {OWNER_UID: "u1"},
                "ownerReferences": [
                    {"kind": "Gateway", "name": "gw", "uid": "g", "controller": True}
                ],
            },
            "Gateway gw",
        ),
    ],
)
def test_what_is_not_ours_is_refused_and_its_holder_named(meta: Body, holder: str) -> None:
    wanted = ownership(owner(), "canary").mark(output())
    with pytest.raises(NotOurs, match=holder) as caught:
        check_ours(wanted, output(**meta))
    assert isinstance(caught.value, TerminalError)
    assert "VirtualService shop/vs" in str(caught.value)


def test_what_is_being_deleted_is_waited_for() -> None:
    wanted = ownership(owner(), "canary").mark(output())
    leaving = {**wanted, "metadata": {**wanted["metadata"], "deletionTimestamp": "now"}}
    with pytest.raises(StillLeaving):
        check_ours(wanted, leaving)


def test_what_an_earlier_owner_of_the_same_name_left_is_waited_for() -> None:
    wanted = ownership(owner("u2"), "canary").mark(output())
    with pytest.raises(StillLeaving) as caught:
        check_ours(wanted, ownership(owner("u1"), "canary").mark(output()))
    assert isinstance(caught.value, RetryLater)


def test_an_output_without_marks_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="ownership"):
        check_ours(output(), output())
