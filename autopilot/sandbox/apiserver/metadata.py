"""The rules of `metadata`: names, labels, owner references, and what a client can't change."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver.causes import Cause
from autopilot.sandbox.apiserver.encoding import Body, metadata_of
from autopilot.sandbox.apiserver.errors import bad_request, invalid

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.kinds import Kind

FIELDS = frozenset(
    {"name", "generateName", "namespace", "uid", "resourceVersion", "generation",
     "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels",
     "annotations", "ownerReferences", "finalizers", "managedFields"}
)  # fmt: skip
SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_IS_LABEL, _IS_SUBDOMAIN, _IS_VALUE, _IS_QUALIFIED = (
    re.compile(rf"(?:{text})\Z") for text in (_LABEL, _SUBDOMAIN, _VALUE, _QUALIFIED)
)
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_ANNOTATIONS_LIMIT = 256 * 1024


def _wrong(field: str, value: str, why: str) -> Cause:
    return Cause(field, "FieldValueInvalid", f'Invalid value: "{value}": {why}')


def name_fault(kind: Kind, name: str) -> Cause | None:
    """What is wrong with a name, or None."""
    if kind.group == "rbac.authorization.k8s.io":
        if name in (".", "..") or "/" in name or "%" in name:
            return _wrong("metadata.name", name, "may not contain '/' or '%'")
        return None
    if kind.storage in ("namespaces", "services"):
        if _IS_LABEL.match(name) and len(name) <= 63:
            return None
        why = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
            " and must start and end with an alphanumeric character (e.g. 'my-name',  or "
            f"'123-abc', regex used for validation is '{_LABEL}')"
        )
        return _wrong("metadata.name", name, why)
    if len(name) > 253:
        return _wrong("metadata.name", name, "must be no more than 253 bytes")
    if _IS_SUBDOMAIN.match(name):
        return None
    why = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
        "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex "
        rf"used for validation is '{_SUBDOMAIN}')"
    )
    return _wrong("metadata.name", name, why)


def generated_name(base: str) -> str:
    """A name from generateName: five letters of the alphabet that spells no words."""
    return base[:58] + "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))


def _is_key(text: str) -> bool:
    prefix, slash, name = text.rpartition("/")
    if slash and not (_IS_SUBDOMAIN.match(prefix) and len(prefix) <= 253):
        return False
    return len(name) <= 63 and _IS_QUALIFIED.match(name) is not None


def _key_fault(field: str, key: str) -> Cause | None:
    if _is_key(key):
        return None
    why = (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
        " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
        f"for validation is '{_QUALIFIED.replace('?', '*?')}')"
    )
    return _wrong(field, key, why)


def label_faults(labels: dict[str, str], field: str) -> list[Cause]:
    """What is wrong with labels, wherever they stand."""
    found = []
    for key, value in labels.items():
        if fault := _key_fault(field, key):
            found.append(fault)
        if len(value) > 63:
            found.append(_wrong(field, value, "must be no more than 63 bytes"))
        if not _IS_VALUE.match(value):
            why = (
                "a valid label must be an empty string or consist of alphanumeric characters, '-', "
                "'_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',"
                f"  or 'my_value',  or '12345', regex used for validation is '{_VALUE}')"
            )
            found.append(_wrong(field, value, why))
    return found


def _owner_faults(references: list[Body]) -> list[Cause]:
    found = []
    for index, reference in enumerate(references):
        for name in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(name):
                field = f"metadata.ownerReferences[{index}].{name}"
                found.append(Cause(field, "FieldValueRequired", "Required value"))
    if sum(bool(reference.get("controller")) for reference in references) > 1:
        why = "Only one reference can have Controller set to true"
        found.append(_wrong("metadata.ownerReferences", "[]", why))
    return found


def faults(kind: Kind, metadata: Body) -> list[Cause]:
    """All that is wrong with metadata whose shape is right already."""
    found: list[Cause] = []
    name = metadata.get("name", "")
    if not name:
        why = "Required value: name or generateName is required"
        found.append(Cause("metadata.name", "FieldValueRequired", why))
    elif fault := name_fault(kind, name):
        found.append(fault)
    found += label_faults(metadata.get("labels") or {}, "metadata.labels")
    annotations: dict[str, str] = metadata.get("annotations") or {}
    for key in annotations:
        if fault := _key_fault("metadata.annotations", key.lower()):
            found.append(fault)
    if sum(len(k) + len(v) for k, v in annotations.items()) > _ANNOTATIONS_LIMIT:
        why = f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"
        found.append(Cause("metadata.annotations", "FieldValueTooLong", why))
    for text in metadata.get("finalizers") or ():
        if not _is_key(text):
            found.append(_wrong("metadata.finalizers", text, "name part must be qualified"))
    return found + _owner_faults(metadata.get("ownerReferences") or [])


def check_shape(kind: Kind, metadata: Body) -> None:
    """Refuse metadata that Go's types couldn't hold.

    Raises:
        ApiError: 400, in the words of Go's decoder.
    """
    for field in ("labels", "annotations"):
        for value in _typed(kind, metadata, field, dict).values():
            if not isinstance(value, str):
                _unreadable(kind, field, type(value).__name__, "string")
    for value in _typed(kind, metadata, "finalizers", list):
        if not isinstance(value, str):
            _unreadable(kind, "finalizers", type(value).__name__, "string")
    for value in _typed(kind, metadata, "ownerReferences", list):
        if not isinstance(value, dict):
            _unreadable(kind, "ownerReferences", type(value).__name__, "v1.OwnerReference")
    for field in ("name", "namespace", "generateName", "uid", "resourceVersion"):
        if not isinstance(metadata.get(field, ""), str):
            _unreadable(kind, field, type(metadata[field]).__name__, "string")


def _typed(kind: Kind, metadata: Body, field: str, type_: type) -> Any:
    value = metadata.get(field)
    if value is None:
        return type_()
    if not isinstance(value, type_):
        _unreadable(kind, field, type(value).__name__, type_.__name__)
    return value


def _unreadable(kind: Kind, field: str, found: str, wanted: str) -> None:
    raise bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: json: cannot '
        f"unmarshal {found} into Go struct field ObjectMeta.metadata.{field} of type {wanted}"
    )


def tidy(kind: Kind, body: Body) -> Body:
    """A body whose metadata has only what Kubernetes knows, without nulls.

    Raises:
        ApiError: 400 if it isn't of the right shape.
    """
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        _unreadable(kind, "", type(metadata).__name__, "v1.ObjectMeta")
    kept = {k: v for k, v in metadata_of(body).items() if v is not None and k in FIELDS}
    check_shape(kind, kept)
    for field in ("labels", "annotations", "ownerReferences", "finalizers"):
        if field in kept and not kept[field]:
            del kept[field]
    return {**body, "metadata": kept}


def keep_server_owned(metadata: Body, live: Body) -> Body:
    """Put back what a client can't change."""
    kept = {key: value for key, value in metadata.items() if key not in SERVER_OWNED}
    for field in ("name", "namespace", "generateName", *SERVER_OWNED):
        if field in live:
            kept[field] = live[field]
    # An update without managedFields leaves them; exactly [{}] clears them.
    fields = metadata.get("managedFields")
    if not fields:
        kept.pop("managedFields", None)
        if "managedFields" in live:
            kept["managedFields"] = live["managedFields"]
    elif fields == [{}]:
        del kept["managedFields"]
    return kept


def check_finalizers(kind: Kind, metadata: Body, live: Body) -> None:
    """Refuse new finalizers on what is being deleted.

    Raises:
        ApiError: 422.
    """
    if "deletionTimestamp" not in live:
        return
    old = set(live.get("finalizers") or ())
    new = [name for name in metadata.get("finalizers") or () if name not in old]
    if new:
        named = "{" + ", ".join(f'"{name}"' for name in new) + "}"
        why = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{named}"
        )
        fault = Cause("metadata.finalizers", "FieldValueForbidden", why)
        raise invalid(kind, live["name"], [fault])
