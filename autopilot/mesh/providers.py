"""Providers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.kube.kinds import KNOWN
from autopilot.mesh.istio.provider import Istio

if TYPE_CHECKING:
    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.provider import Provider

PROVIDERS: dict[str, type[Provider]] = {Istio.name: Istio}
"""By the name that `meshProvider` takes."""

OVERLAID_KINDS: tuple[ResourceType, ...] = (KNOWN["virtualservices"], KNOWN["destinationrules"])
"""The kinds that may carry overlays, whatever the mesh: what the sweep and `halt` look through."""


def provider(name: str) -> Provider:
    """The provider of that name, whatever its case.

    Raises:
        ValueError: There is none; names those that are.
    """
    for known, made in PROVIDERS.items():
        if known.casefold() == name.casefold():
            return made()
    raise ValueError(f"no provider {name!r}; there is {', '.join(PROVIDERS)}")
