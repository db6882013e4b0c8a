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
from autopilot.sandbox.apiserver.target import (
    Target,
    check_identity,
    check_namespace,
    named_as,
    typed,
)

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.kinds import Kind

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


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
    body = named_as(target, metadata.tidy(kind, typed(kind, body)))
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
    body = typed(kind, body)
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
    check_identity(target, body, live["metadata"])
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
    from autopilot.sandbox.apiserver.managers import APPLY as BY_APPLY
    from autopilot.sandbox.apiserver.managers import Writer

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
    applied = named_as(target, metadata.tidy(kind, typed(kind, applied, strict=True)))
    if metadata_of(applied).get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    if live is None and target.subresource:
        raise errors.not_found(kind, target.name)
    if live is not None:
        check_identity(target, applied, live["metadata"])
    wanted = _written_here(target, admission.pruned(kind, applied, options))
    given = {k: v for k, v in wanted["metadata"].items() if k not in ("uid", "resourceVersion")}
    try:
        after = apply(
            live,
            {**wanted, "metadata": given},
            Writer(options.manager, BY_APPLY, kind.api_version, target.subresource),
            force=options.force,
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
    check_namespace(core, target)
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
    from autopilot.sandbox.apiserver.managers import UPDATE, Writer

    return record_update(
        before,
        after,
        Writer(options.manager, UPDATE, target.kind.api_version, target.subresource),
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
