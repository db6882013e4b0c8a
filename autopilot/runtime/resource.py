"""The primary resource as a worker sees it: frozen and typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from autopilot.spec.model import Spec, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

S = TypeVar("S", bound=Spec)
T = TypeVar("T", bound=Status)


@dataclass(frozen=True, slots=True)
class Resource(Generic[S, T]):
    """One resource of the operator's kind.

    Attributes:
        name: metadata.name.
        namespace: metadata.namespace; empty for cluster-scoped kinds.
        uid: metadata.uid.
        generation: metadata.generation: counts changes of the spec.
        labels: metadata.labels.
        annotations: metadata.annotations.
        spec: The author's model.
        status: The author's model, with defaults where nothing is stored yet.
        phase: The present phase's name.
        phase_since: When that phase was entered (wall clock).
    """

    name: str
    namespace: str
    uid: str
    generation: int
    spec: S
    status: T
    phase: str
    phase_since: datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
