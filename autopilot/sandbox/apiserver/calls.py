"""What a request is about: its path, verb and query, read into one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.sandbox.apiserver import errors
from autopilot.sandbox.apiserver.core import WriteOptions, shown
from autopilot.sandbox.apiserver.selectors import SelectorError, parse_fields, parse_labels
from autopilot.sandbox.apiserver.target import Target
from autopilot.sandbox.apiserver.watchers import Selection

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest

    from autopilot.sandbox.apiserver.kinds import Kind, Registry

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_TRUE = ("1", "true", "True", "t", "T", "TRUE")


@dataclass(slots=True)
class Call:
    """One request to a resource.

    Attributes:
        verb: As RBAC names it: get, list, watch, create, update, patch, delete, deletecollection.
        namespace: None where all namespaces are meant.
    """

    verb: str
    kind: Kind
    namespace: str | None
    name: str
    subresource: str
    query: dict[str, str]
    agent: str
    warnings: list[str] = field(default_factory=list)

    @property
    def target(self) -> Target:
        """What a write is about."""
        return Target(self.kind, self.namespace or "", self.name, self.subresource)

    def flag(self, name: str) -> bool:
        """Whether a query parameter is true."""
        return self.query.get(name, "") in _TRUE

    def number(self, name: str) -> int | None:
        """A whole number out of the query.

        Raises:
            ApiError: 400 if it is none.
        """
        text = self.query.get(name, "")
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise errors.bad_request(
                f'strconv.ParseInt: parsing "{text}": invalid syntax in parameter {name}'
            ) from None

    def write_options(self) -> WriteOptions:
        """How to write.

        Raises:
            ApiError: 400 for a parameter that means nothing.
        """
        dry_run = self.query.get("dryRun", "")
        if dry_run not in ("", "All"):
            raise errors.bad_request(f'Invalid value: "{dry_run}": dryRun may only be All')
        validation = self.query.get("fieldValidation", "") or "Warn"
        if validation not in ("Ignore", "Warn", "Strict"):
            raise errors.bad_request(f'Unsupported value: "{validation}": fieldValidation')
        manager = self.query.get("fieldManager", "")
        if not manager and self.query.get("_patch") != "apply":
            manager = self.agent.split("/", 1)[0] or "unknown"
        return WriteOptions(
            manager, dry_run == "All", validation, self.flag("force"), self.warnings
        )

    def selection(self) -> Selection:
        """Which objects are asked for.

        Raises:
            ApiError: 400 for a selector that can't be read or isn't supported.
        """
        labels, fields = self.query.get("labelSelector", ""), self.query.get("fieldSelector", "")
        if self.name:
            fields = f"metadata.name={self.name}" + (f",{fields}" if fields else "")
        try:
            by_labels = parse_labels(labels) if labels else None
            by_fields = parse_fields(fields, self.kind.selectable) if fields else None
        except SelectorError as error:
            raise errors.bad_request(error.message) from None
        kind = self.kind
        if by_fields is not None and kind.api_version != kind.stored_as:
            in_version = by_fields
            by_fields = lambda body: in_version(shown(kind, body))  # noqa: E731
        return Selection(self.namespace, by_labels, by_fields)


def read_call(request: BaseRequest, path: str, registry: Registry) -> Call:
    """Understand a request to a path, which is the request's own without a token in it.

    Raises:
        ApiError: 404 where no resource is served, 405 where the verb makes no sense.
    """
    parts = [part for part in path.split("/") if part]
    group, version, rest = _split_group(parts)
    namespace: str | None = None
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] != "status":
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        raise errors.no_such_path()
    kind = registry.at(group, version, rest[0])
    if kind is None or (namespace is not None and not kind.namespaced):
        raise errors.no_such_path()
    name, subresource = (*rest[1:], "", "")[:2]
    if kind.namespaced and namespace is None and name:
        raise errors.no_such_path()
    if subresource and subresource not in kind.subresources:
        raise errors.no_such_path()
    query = dict(request.query) if request.query_string else {}
    verb = _verb(request.method, name, query)
    if verb not in kind.verbs:
        raise errors.not_allowed()
    if verb == "create" and kind.namespaced and namespace is None:
        raise errors.not_allowed()
    agent = request.headers.get("User-Agent", "")
    return Call(verb, kind, namespace, name, subresource, query, agent)


def _split_group(parts: list[str]) -> tuple[str, str, list[str]]:
    if len(parts) >= 3 and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) >= 4 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    raise errors.no_such_path()


def _verb(method: str, name: str, query: dict[str, str]) -> str:
    if method == "GET":
        if query.get("watch", "") in _TRUE:
            return "watch"
        return "get" if name else "list"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    verb = _VERBS.get(method, "")
    if not verb or (verb != "create" and not name):
        raise errors.not_allowed()
    return verb
