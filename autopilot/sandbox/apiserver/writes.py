"""Create, update and patch: the rules that every write passes, whoever makes it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import admission, errors, metadata
from autopilot.sandbox.apiserver.causes import Cause
from autopilot.sandbox.apiserver.core import Core, WriteOptions, structure_of
from autopilot.sandbox.apiserver.encoding import Body, metadata_of
from autopilot.sandbox.apiserver.jsonvalue import json_equal

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.kinds import Kind

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Target:
    """What a write is about."""

    kind: Kind
    namespace: str
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch with its media type."""

    type: str
    content: Any


def create(core: Core, target: Target, body: Body, options: WriteOptions) -> Body:
    """Make a new object.

    Raises:
        ApiError: 409 AlreadyExists, 404 without its namespace, 403 in one that ends, 400, 422.
    """
    kind = target.kind
    body = _named_as(target, metadata.tidy(kind, _typed(kind, body)))
    if metadata_of(body).get("resourceVersion"):
        raise errors.bad_request("resourceVersion should not be set on objects to be created")
    given = body["metadata"]
    if not given.get("name") and given.get("generateName"):
        given = {**given, "name": _free_name(core, target, given["generateName"])}
    return _add(core, target, {**body, "metadata": given}, options, applied=False)


def _free_name(core: Core, target: Target, base: str) -> str:
    """A generated name. Among 2,000 objects two are alike one time in seven: so try again."""
    for _ in range(8):
        name = metadata.generated_name(base)
        if core.find(target.kind, target.namespace, name) is None:
            break
    return name


def update(core: Core, target: Target, body: Body, options: WriteOptions) -> Body:
    """Replace an object, or its status.

    Raises:
        ApiError: 404, 409 where a precondition fails, 400, 422.
    """
    kind = target.kind
    body = _typed(kind, body)
    live = core.read(kind, target.namespace, target.name)
    if kind.custom and not metadata_of(body).get("resourceVersion"):
        why = "Invalid value: 0x0: must be specified for an update"
        fault = Cause("metadata.resourceVersion", "FieldValueInvalid", why)
        raise errors.invalid(kind, target.name, [fault])
    return replace(core, target, live, body, options)


def patch(core: Core, target: Target, change: Patch, options: WriteOptions) -> tuple[Body, bool]:
    """Patch an object, or its status; returns it, and whether it was made by this.

    Raises:
        ApiError: 404, 409, 415 for a strategic patch of a custom resource, 400, 422.
    """
    live = core.find(target.kind, target.namespace, target.name)
    if change.type == APPLY:
        return _apply(core, target, live, change.content, options)
    if live is None:
        raise errors.not_found(target.kind, target.name)
    body = patched(target.kind, live, change)
    return replace(core, target, live, body, options), False


def patched(kind: Kind, live: Body, change: Patch) -> Body:
    """The body that a patch makes of another; pure.

    Raises:
        ApiError: 415, 400 or 422.
    """
    from autopilot.sandbox.apiserver import patch as patches
    from autopilot.sandbox.apiserver.strategic import strategic_merge

    if change.type == STRATEGIC and kind.custom:
        raise errors.unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: "
            f"{JSON}, {MERGE}, {APPLY}"
        )
    try:
        if change.type == JSON:
            return patches.json_patch(live, change.content)
        if not isinstance(change.content, dict):
            raise errors.bad_request("a merge patch is a JSON object")
        if change.type == MERGE:
            return patches.merge_patch(live, change.content)
        return strategic_merge(live, change.content, kind.group, kind.kind)
    except patches.PatchError as error:
        raise errors.ApiError(error.status, error.reason, error.message) from None


def replace(core: Core, target: Target, live: Body, body: Body, options: WriteOptions) -> Body:
    """Put a new body in place of a living one, as far as a client may."""
    kind = target.kind
    after = _admitted(target, live, metadata.tidy(kind, body), options)
    if _same(after, live):
        return live
    after = _recorded(core, target, live, after, options)
    return _store(core, kind, live, after, options)


def _admitted(target: Target, live: Body, body: Body, options: WriteOptions) -> Body:
    kind = target.kind
    _check_identity(target, body, live["metadata"])
    given = metadata.keep_server_owned(body["metadata"], live["metadata"])
    given["resourceVersion"] = live["metadata"]["resourceVersion"]
    if target.subresource == "status":
        kept = {**live["metadata"]}
        kept.pop("managedFields", None)
        if "managedFields" in given:
            kept["managedFields"] = given["managedFields"]
        body, given = {**live, "status": body.get("status")}, kept
    elif "status" in kind.subresources:
        body = {**body, "status": live.get("status")}
    body = {key: value for key, value in body.items() if key != "status" or value is not None}
    metadata.check_finalizers(kind, given, live["metadata"])
    after = admission.shaped(kind, {**body, "metadata": given}, live, options)
    if kind.generation and not _same(_desired(kind, after), _desired(kind, live)):
        generation = live["metadata"].get("generation", 1) + 1
        after["metadata"] = {**after["metadata"], "generation": generation}
    return after


def _store(core: Core, kind: Kind, live: Body, after: Body, options: WriteOptions) -> Body:
    if options.dry_run:
        return after
    given = after["metadata"]
    ended = "deletionTimestamp" in given and not given.get("finalizers")
    if ended and not given.get("deletionGracePeriodSeconds") and not _namespace_lives(kind, after):
        return core.remove(kind, after)
    return core.commit(kind, after)


def _namespace_lives(kind: Kind, body: Body) -> bool:
    return kind.storage == "namespaces" and bool((body.get("spec") or {}).get("finalizers"))


def _apply(
    core: Core, target: Target, live: Body | None, applied: Any, options: WriteOptions
) -> tuple[Body, bool]:
    from autopilot.sandbox.apiserver.fields import ApplyConflict, apply

    kind = target.kind
    if not options.manager:
        why = "Required value: is required for apply patch"
        fault = Cause("fieldManager", "FieldValueRequired", why)
        raise errors.ApiError(
            422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {why}',
            {"causes": [{"reason": fault.reason, "message": why, "field": fault.field}]},
        )  # fmt: skip
    if not isinstance(applied, dict):
        raise errors.bad_request("an applied configuration is an object")
    applied = _named_as(target, metadata.tidy(kind, _typed(kind, applied, strict=True)))
    if metadata_of(applied).get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    if live is None and target.subresource:
        raise errors.not_found(kind, target.name)
    if live is not None:
        _check_identity(target, applied, live["metadata"])
    wanted = _written_here(target, admission.pruned(kind, applied, options))
    given = {k: v for k, v in wanted["metadata"].items() if k not in ("uid", "resourceVersion")}
    try:
        after = apply(
            live,
            {**wanted, "metadata": given},
            manager=options.manager,
            force=options.force,
            api_version=kind.api_version,
            subresource=target.subresource,
            now=core.stamp(),
            structure=structure_of(kind),
        )
    except ApplyConflict as error:
        raise errors.apply_conflict(kind, target.name, error.message, error.causes) from None
    if live is None:
        return _add(core, target, after, options, applied=True), True
    after = _admitted(target, live, metadata.tidy(kind, after), options)
    if _same(_timeless(after), _timeless(live)):
        return live, False
    return _store(core, kind, live, after, options), False


def _written_here(target: Target, wanted: Body) -> Body:
    """An intent without what this endpoint doesn't write, lest its applier come to own that."""
    if target.subresource == "status":
        named = {k: v for k, v in wanted["metadata"].items() if k in ("name", "namespace")}
        status = {"status": wanted["status"]} if "status" in wanted else {}
        head = {key: wanted[key] for key in ("apiVersion", "kind")}
        return {**head, "metadata": named, **status}
    if "status" not in target.kind.subresources:
        return wanted
    return {key: value for key, value in wanted.items() if key != "status"}


def _timeless(body: Body) -> Body:
    """A body whose managedFields tell no time: an apply that changes nothing writes nothing."""
    given = body["metadata"]
    managed = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in given.get("managedFields") or ()
    ]
    return {**body, "metadata": {**given, "managedFields": managed}}


def _add(core: Core, target: Target, body: Body, options: WriteOptions, *, applied: bool) -> Body:
    kind, given = target.kind, body["metadata"]
    _check_namespace(core, target)
    given = {key: value for key, value in given.items() if key not in metadata.SERVER_OWNED}
    if kind.namespaced:
        given["namespace"] = target.namespace
    given |= {"uid": str(uuid.uuid4()), "creationTimestamp": core.stamp()}
    if kind.generation:
        given["generation"] = 1
    body = {**body, "metadata": given}
    if "status" in kind.subresources:
        body.pop("status", None)
    body = admission.shaped(kind, body, None, options)
    name = given["name"]
    if core.find(kind, target.namespace, name) is not None:
        raise errors.already_exists(kind, name)
    if not applied:
        body = _recorded(core, Target(kind, target.namespace), None, body, options)
    return body if options.dry_run else core.commit(kind, body)


def _recorded(
    core: Core, target: Target, before: Body | None, after: Body, options: WriteOptions
) -> Body:
    """A body whose managedFields tell who wrote what."""
    from autopilot.sandbox.apiserver.fields import record_update

    return record_update(
        before,
        after,
        manager=options.manager,
        api_version=target.kind.api_version,
        subresource=target.subresource,
        now=core.stamp(),
        structure=structure_of(target.kind),
    )


def _desired(kind: Kind, body: Body) -> Body:
    """What generation counts: all but metadata, and all but status where that is apart."""
    apart = ("metadata", "status") if "status" in kind.subresources else ("metadata",)
    return {key: value for key, value in body.items() if key not in apart}


def _same(one: Body, other: Body) -> bool:
    """Equal as JSON; in Python alone, 1 would be true and 0 false."""
    return one == other and json_equal(one, other)


def _typed(kind: Kind, body: Any, *, strict: bool = False) -> Body:
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


def _named_as(target: Target, body: Body) -> Body:
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


def _check_identity(target: Target, body: Body, live: Body) -> None:
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


def _check_namespace(core: Core, target: Target) -> None:
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
