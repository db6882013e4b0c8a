"""What a client finds out before it asks for anything: groups, versions, kinds, their schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.sandbox.apiserver import errors

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.kinds import Kind, Registry

VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0+autopilot-sandbox",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
_SCALE = ("autoscaling", "v1", "Scale")
_SUBRESOURCE_KINDS = {"eviction": ("policy", "v1", "Eviction"), "scale": _SCALE}
_SUBRESOURCE_VERBS = {"eviction": ["create"], "log": ["get"]}
_CHANGED = ["get", "patch", "update"]


def core_versions() -> Body:
    """`/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def groups(registry: Registry) -> Body:
    """`/apis`."""
    found = [_group(name, versions) for name, versions in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def group(registry: Registry, name: str) -> Body:
    """`/apis/GROUP`.

    Raises:
        ApiError: 404 if nothing of this group is served.
    """
    versions = registry.groups().get(name)
    if not name or not versions:
        raise errors.no_such_path()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def resources(registry: Registry, name: str, version: str) -> Body:
    """`/api/v1` or `/apis/GROUP/VERSION`.

    Raises:
        ApiError: 404 if nothing of this group and version is served.
    """
    kinds = registry.within(name, version)
    if not kinds:
        raise errors.no_such_path()
    found = []
    for kind in kinds:
        found.append(_resource(kind))
        found += [_subresource(kind, sub) for sub in sorted(kind.subresources)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": found,
    }


def aggregated(registry: Registry, *, core: bool) -> Body:
    """`/api` or `/apis` as one APIGroupDiscoveryList."""
    items = []
    for name, versions in registry.groups().items():
        if core == (not name):
            metadata = (
                {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None}
            )
            items.append(
                {
                    "metadata": metadata,
                    "versions": [_aggregated_version(registry, name, one) for one in versions],
                }
            )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _group(name: str, versions: list[str]) -> Body:
    listed = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resource(kind: Kind) -> Body:
    found: Body = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        found["shortNames"] = list(kind.short_names)
    if kind.categories:
        found["categories"] = list(kind.categories)
    return found


def _subresource(kind: Kind, name: str) -> Body:
    group_, version, kind_name = _SUBRESOURCE_KINDS.get(name, ("", "", kind.kind))
    found: Body = {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind_name,
        "verbs": _SUBRESOURCE_VERBS.get(name, _CHANGED),
    }
    if version:
        found |= {"group": group_, "version": version}
    return found


def _aggregated_version(registry: Registry, name: str, version: str) -> Body:
    return {
        "version": version,
        "freshness": "Current",
        "resources": [_aggregated_kind(kind) for kind in registry.within(name, version)],
    }


def _aggregated_kind(kind: Kind) -> Body:
    found: Body = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind.group, kind.version, kind.kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        found["shortNames"] = list(kind.short_names)
    if kind.categories:
        found["categories"] = list(kind.categories)
    if kind.subresources:
        found["subresources"] = [
            {
                "subresource": sub,
                "responseKind": _response_kind(
                    *_SUBRESOURCE_KINDS.get(sub, (kind.group, kind.version, kind.kind))
                ),
                "verbs": _SUBRESOURCE_VERBS.get(sub, _CHANGED),
            }
            for sub in sorted(kind.subresources)
        ]
    return found


def _response_kind(group_: str, version: str, kind: str) -> Body:
    return {"group": group_, "version": version, "kind": kind}
