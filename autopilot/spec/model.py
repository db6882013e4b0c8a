"""Base models for whatever a person writes: snake_case in Python, camelCase on the wire."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Strict about unknown keys, frozen, camelCase on the wire.

    A string literal below a field is its description, in the CRD too.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )


class Spec(Model):
    """What the users of an operator write; subclass it in `spec.py`."""


class Status(Model):
    """What the workers keep between syncs; subclass it in `spec.py`.

    Every field needs a default: a new resource has an empty status. The runtime's own fields
    (phase, conditions, observedGeneration, phaseHistory, nextTick) live beside these.
    """

    model_config = ConfigDict(extra="ignore")


class Config(Model):
    """The `config:` map of `autopilot-operator.yaml`, typed; subclass it in `spec.py`."""


class FreeConfig(Config):
    """The `config:` map of a project without a model of its own: any key, as attributes."""

    model_config = ConfigDict(extra="allow")


RESERVED_STATUS = frozenset(
    {"phase", "phaseSince", "phaseHistory", "observedGeneration", "conditions", "nextTick"}
)
"""Top-level status fields, as on the wire, that belong to the runtime."""
