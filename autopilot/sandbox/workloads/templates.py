"""From a Deployment's template to a ReplicaSet: names, hashes, revisions. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from autopilot.sandbox.workloads.objects import (
    Body,
    labels,
    meta,
    notes,
    owner_reference,
    spec,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_OWN = {REVISION, HISTORY, DESIRED, MOST, LAST_APPLIED}
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_HASH_LENGTH = 10


def wanted_replicas(body: Body) -> int:
    """The spec's replicas; one where they are left out."""
    found = spec(body).get("replicas")
    return 1 if found is None else int(found)


def template_hash(template: Body, collisions: int = 0) -> str:
    """A short name for a template, of letters that spell no words."""
    text = json.dumps([template, collisions], sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    letters = []
    for _ in range(_HASH_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    return "".join(letters)


def same_template(replica_set: Body, deployment: Body) -> bool:
    """Whether a ReplicaSet was made of a Deployment's present template."""
    return _plain(spec(replica_set).get("template") or {}) == _plain(
        spec(deployment).get("template") or {}
    )


def _plain(template: Body) -> Body:
    found = dict(template.get("metadata") or {})
    found["labels"] = {k: v for k, v in (found.get("labels") or {}).items() if k != HASH_LABEL}
    found.pop("creationTimestamp", None)
    return {**template, "metadata": {name: value for name, value in found.items() if value}}


def revision(body: Body) -> int:
    """The number of a rollout; 0 where there is none yet."""
    text = notes(body).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def highest_revision(replica_sets: Iterable[Body]) -> int:
    """The number of the last rollout."""
    return max((revision(one) for one in replica_sets), default=0)


def replica_set_of(deployment: Body, collisions: int, number: int, most: int) -> Body:
    """The ReplicaSet of a Deployment's present template, with no replicas yet.

    Args:
        deployment: Whose it is.
        collisions: How often a name was taken by another template.
        number: Its revision.
        most: The most pods that the rollout may have at once.
    """
    template = spec(deployment)["template"]
    named = template_hash(template, collisions)
    tagged = {**(template.get("metadata") or {}).get("labels", {}), HASH_LABEL: named}
    selector = dict(spec(deployment).get("selector") or {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: named}
    namespace, name = meta(deployment)["namespace"], meta(deployment)["name"]
    made = {**template, "metadata": {**(template.get("metadata") or {}), "labels": tagged}}
    body: Body = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name}-{named}",
            "namespace": namespace,
            "labels": tagged,
            "annotations": told(deployment, number, most),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {"replicas": 0, "selector": selector, "template": made},
    }
    if spec(deployment).get("minReadySeconds"):
        body["spec"]["minReadySeconds"] = spec(deployment)["minReadySeconds"]
    return body


def told(deployment: Body, number: int, most: int) -> dict[str, str]:
    """The annotations of a Deployment's present ReplicaSet."""
    kept = {name: text for name, text in notes(deployment).items() if name not in _OWN}
    return {
        **kept,
        REVISION: str(number),
        DESIRED: str(wanted_replicas(deployment)),
        MOST: str(most),
    }


def retold(replica_set: Body, deployment: Body, number: int, most: int) -> Body:
    """What of a present ReplicaSet's annotations has to change; empty if nothing.

    One that comes back after a later one (an undo) gets a new number and keeps the old in its
    history, as `kubectl rollout history` expects.
    """
    present = notes(replica_set)
    wanted = told(deployment, number, most)
    before = present.get(REVISION)
    if before and before != wanted[REVISION]:
        history = [old for old in present.get(HISTORY, "").split(",") if old]
        wanted[HISTORY] = ",".join([*history, before])
    changed = {name: text for name, text in wanted.items() if present.get(name) != text}
    return {"metadata": {"annotations": changed}} if changed else {}


def pod_of(replica_set: Body) -> Body:
    """A pod of a ReplicaSet; the server completes its name."""
    template = spec(replica_set).get("template") or {}
    given = template.get("metadata") or {}
    name = meta(replica_set)["name"]
    made: Body = {
        "generateName": f"{name}-",
        "namespace": meta(replica_set)["namespace"],
        "labels": dict(given.get("labels") or labels(replica_set)),
        "ownerReferences": [owner_reference(replica_set)],
    }
    if given.get("annotations"):
        made["annotations"] = dict(given["annotations"])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": made,
        "spec": {"restartPolicy": "Always", **(template.get("spec") or {})},
    }
