"""Envoy's file subscriptions: one resource file in a directory of its own, replaced by rename.

Every event in a watched directory makes all of its subscriptions read again, half-written
neighbours included: hence one directory each. Only a rename is noticed.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Body = dict[str, Any]

CLUSTERS = "cds"
LISTENERS = "lds"
_TYPES = {
    CLUSTERS: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    LISTENERS: "type.googleapis.com/envoy.config.listener.v3.Listener",
}
_ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"


def path(directory: Path, subscription: str) -> Path:
    """The file of `cds`, `lds`, or of a route configuration by its name."""
    kind = subscription if subscription in _TYPES else "rds"
    return directory / subscription / f"{kind}.json"


def read(directory: Path, subscription: str) -> dict[str, Body]:
    """What was last written, by name; empty if nothing was."""
    try:
        found = json.loads(path(directory, subscription).read_text())
    except FileNotFoundError:
        return {}
    resources = [
        {key: value for key, value in resource.items() if key != "@type"}
        for resource in found["resources"]
    ]
    return {resource["name"]: resource for resource in resources}


def subscriptions(directory: Path) -> list[str]:
    """The route configurations that have a file."""
    if not directory.is_dir():
        return []
    return sorted(p.parent.name for p in directory.glob("*/rds.json"))


def write(directory: Path, subscription: str, version: str, resources: list[Body]) -> None:
    """Replace a subscription's file."""
    target = path(directory, subscription)
    target.parent.mkdir(parents=True, exist_ok=True)
    kind = _TYPES.get(subscription, _ROUTES)
    typed = [{"@type": kind, **resource} for resource in resources]
    # Beside the watched directory, not in it: writing there would wake Envoy as well.
    draft = directory / f".{subscription}.draft"
    draft.write_text(json.dumps({"version_info": version, "resources": typed}))
    os.replace(draft, target)  # noqa: PTH105


def remove(directory: Path, subscription: str) -> None:
    """Forget a subscription, once nobody is subscribed."""
    shutil.rmtree(path(directory, subscription).parent, ignore_errors=True)
