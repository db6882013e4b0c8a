"""What a write is about, and whether a body may go there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import errors

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.core import Core
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.kinds import Kind


@dataclass(frozen=True, slots=True)
class Target:
    """What a write is about."""

    kind: Kind
    namespace: str
    name: str = ""
    subresource: str = ""


def typed(kind: Kind, body: Any, *, strict: bool = False) -> Body:
    """A body with the kind's own apiVersion and kind.

    Args:
        kind: What the URL names.
        body: As sent.
        strict: Both have to be given; a custom resource always has to give them.

    Raises:
        ApiError: 400 where it is no object, or another kind's.
    """
    if not isinstance(body, dict):
        raise errors.bad_request("couldn't get version/kind; json parse error: not an object")
    strict = strict or kind.custom
    if strict and not (body.get("apiVersion") and body.get("kind")):
        missing = "apiVersion" if body.get("kind") else "Kind"
        raise errors.bad_request(f"Object '{missing}' is missing in the request body")
    if body.get("apiVersion", kind.api_version) != kind.api_version:
        raise errors.bad_request(
            f"the API version in the data ({body['apiVersion']}) does not match the expected API "
            f"version ({kind.api_version})"
        )
    if body.get("kind", kind.kind) != kind.kind:
        raise errors.bad_request(
            f"the kind in the data ({body['kind']}) does not match the expected kind ({kind.kind})"
        )
    rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    return {"apiVersion": kind.api_version, "kind": kind.kind, **rest}


def named_as(target: Target, body: Body) -> Body:
    """A body with the URL's name and namespace.

    Raises:
        ApiError: 400 where it names others.
    """
    given = dict(body["metadata"])
    if not target.kind.namespaced:
        given.pop("namespace", None)
    elif given.get("namespace", target.namespace) != target.namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    else:
        given["namespace"] = target.namespace
    if target.name:
        if given.get("name", target.name) != target.name:
            raise _wrong_name(given["name"], target.name)
        given["name"] = target.name
    return {**body, "metadata": given}


def _wrong_name(found: str, wanted: str) -> errors.ApiError:
    return errors.bad_request(
        f"the name of the object ({found}) does not match the name on the URL ({wanted})"
    )


def check_identity(target: Target, body: Body, live: Body) -> None:
    """Refuse a body that is about another object than the living one, or an older one.

    Args:
        target: What the URL names.
        body: As sent.
        live: The living object's metadata.

    Raises:
        ApiError: 400 for another name or namespace, 409 for another uid or resourceVersion.
    """
    given = body["metadata"]
    if given.get("name", target.name) != target.name:
        raise _wrong_name(given["name"], target.name)
    if target.kind.namespaced and given.get("namespace", target.namespace) != target.namespace:
        raise errors.bad_request(
            f"the namespace of the object ({given['namespace']}) does not match the namespace on "
            f"the URL ({target.namespace})"
        )
    if given.get("uid") and given["uid"] != live["uid"]:
        why = f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: "
        raise errors.conflict(target.kind, target.name, why + live["uid"])
    if given.get("resourceVersion", live["resourceVersion"]) not in (live["resourceVersion"], ""):
        raise errors.conflict(target.kind, target.name, errors.MODIFIED)


def check_namespace(core: Core, target: Target) -> None:
    """Refuse to make something where nothing can be made.

    Raises:
        ApiError: 404 without the namespace, 403 in one that ends.
    """
    if not target.kind.namespaced:
        return
    space = core.database.get("namespaces", "", target.namespace)
    if space is None:
        details = {"name": target.namespace, "kind": "namespaces"}
        message = f'namespaces "{target.namespace}" not found'
        raise errors.ApiError(404, "NotFound", message, details)
    if "deletionTimestamp" in space.body["metadata"]:
        why = (
            f"unable to create new content in namespace {target.namespace} because it is being "
            "terminated"
        )
        message = f"namespace {target.namespace} is being terminated"
        cause = {
            "reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace",
        }  # fmt: skip
        raise errors.forbidden(target.kind, target.name, why, [cause])
