"""What can be done to resources, once a request is understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import deletion, errors, eviction, scaling, writes
from autopilot.sandbox.apiserver.core import Core, shown
from autopilot.sandbox.apiserver.listing import Lister
from autopilot.sandbox.apiserver.negotiation import PROTOBUF, decode, media_type
from autopilot.sandbox.apiserver.target import Target
from autopilot.sandbox.apiserver.writes import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.sandbox.apiserver.calls import Call
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.history import Entry

    LogSource = Callable[[Body, dict[str, str]], str | None]

_PATCHES = (writes.JSON, writes.MERGE, writes.STRATEGIC, writes.APPLY)


class Operations:
    """The verbs but watch."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.lister = Lister(core)
        self.log_source: LogSource | None = None

    def entry(self, call: Call) -> Entry:
        """One object as stored; 404 if it isn't there."""
        kind = call.kind
        found = self.core.database.get(kind.storage, call.namespace or "", call.name)
        if found is None:
            raise errors.not_found(kind, call.name)
        return found

    def do(self, call: Call, content_type: str, data: bytes) -> tuple[Body, int]:
        """Do what a call says; returns the answer's body and HTTP status."""
        if call.verb == "get":
            return self._get(call), 200
        if call.verb == "patch":
            return self._patch(call, content_type, data)
        if call.verb in ("delete", "deletecollection"):
            body = decode(content_type, data) if data.strip() else {}
            options = deletion.DeleteOptions.read(body or {}, call.query)
            return self._delete(call, options), 200
        # Whoever asks may; kubectl asks in protobuf, which needn't be read for that.
        review = call.verb == "create" and "list" not in call.kind.verbs
        unread = review and media_type(content_type) == PROTOBUF
        body = {} if unread else decode(content_type, data)
        if call.verb == "create":
            return self._create(call, body), 201
        return self._update(call, body), 200

    def log(self, call: Call) -> str:
        """A pod's log, from whoever runs the pods.

        Raises:
            ApiError: 404 without the pod or a log of it.
        """
        pod = self.core.read(call.kind, call.namespace or "", call.name)
        text = self.log_source(pod, call.query) if self.log_source else None
        if text is None:
            message = f"the server could not find the log of pod {call.name}"
            raise errors.ApiError(404, "NotFound", message)
        return text

    def _get(self, call: Call) -> Body:
        body = shown(call.kind, self.entry(call).body)
        return scaling.scale_of(call.kind, body) if call.subresource == "scale" else body

    def _create(self, call: Call, body: Any) -> Body:
        if call.subresource == "eviction":
            return eviction.evict(self.core, call.target, body)
        if call.subresource or call.name:
            raise errors.not_allowed()
        if "list" not in call.kind.verbs:
            return _review(call, body)
        self._check_definition(call)
        return writes.create(self.core, call.target, body, call.write_options())

    def _update(self, call: Call, body: Any) -> Body:
        options = call.write_options()
        if call.subresource == "scale":
            return scaling.update_scale(self.core, call.target, body, options)
        self._check_subresource(call)
        return writes.update(self.core, call.target, body, options)

    def _patch(self, call: Call, content_type: str, data: bytes) -> tuple[Body, int]:
        media = media_type(content_type)
        if media not in _PATCHES:
            listed = ", ".join(_PATCHES if not call.kind.custom else (*_PATCHES[:2], _PATCHES[3]))
            raise errors.unsupported_media(
                "the body of the request was in an unknown format - accepted media types include: "
                f"{listed}"
            )
        if media == writes.APPLY:
            call.query["_patch"] = "apply"
        change, options = Patch(media, decode(content_type, data, patch=True)), call.write_options()
        if call.subresource == "scale":
            return scaling.patch_scale(self.core, call.target, change, options), 200
        self._check_subresource(call)
        if media == writes.APPLY:
            self._check_definition(call)
        body, made = writes.patch(self.core, call.target, change, options)
        return body, 201 if made else 200

    def _delete(self, call: Call, options: deletion.DeleteOptions) -> Body:
        if call.subresource:
            raise errors.not_allowed()
        if call.verb == "delete":
            body, gone = deletion.delete(self.core, call.target, options)
            return _success(call, body) if gone else body
        entries, metadata = self.lister.page(call)
        kind, items = call.kind, []
        for entry in entries:
            given = entry.body["metadata"]
            target = Target(kind, given.get("namespace", ""), given["name"])
            items.append(deletion.delete(self.core, target, options)[0])
        head = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata}
        return {**head, "items": items}

    @staticmethod
    def _check_subresource(call: Call) -> None:
        if call.subresource not in ("", "status"):
            raise errors.not_allowed()

    def _check_definition(self, call: Call) -> None:
        """Refuse new objects of a kind that is being removed."""
        if not call.kind.custom:
            return
        definitions = "customresourcedefinitions.apiextensions.k8s.io"
        found = self.core.database.get(definitions, "", call.kind.storage)
        if found is not None and "deletionTimestamp" in found.body["metadata"]:
            raise errors.not_allowed(
                "create not allowed while custom resource definition is terminating"
            )


def _success(call: Call, body: Body) -> Body:
    details = {"name": call.name, "kind": call.kind.plural, "uid": body["metadata"]["uid"]}
    if call.kind.group:
        details["group"] = call.kind.group
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def _review(call: Call, body: Any) -> Body:
    """The answer to "may I?": there is no RBAC here, so whoever has the token may."""
    answers: dict[str, Body] = {
        "SelfSubjectAccessReview": {"allowed": True, "reason": "the sandbox allows everything"},
        "SelfSubjectReview": {"userInfo": {"username": "autopilot-sandbox"}},
        "SelfSubjectRulesReview": {
            "incomplete": False,
            "resourceRules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
            "nonResourceRules": [{"nonResourceURLs": ["*"], "verbs": ["*"]}],
        },
    }
    spec = body.get("spec", {}) if isinstance(body, dict) else {}
    return {
        "kind": call.kind.kind,
        "apiVersion": call.kind.api_version,
        "metadata": {"creationTimestamp": None},
        "spec": spec,
        "status": answers[call.kind.kind],
    }
