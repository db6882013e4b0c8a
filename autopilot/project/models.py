"""The author's models: what `spec.py` has to define."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from autopilot.base.errors import InvalidInput, Problem
from autopilot.project.importing import module
from autopilot.project.load import shown
from autopilot.spec.model import RESERVED_STATUS, Config, FreeConfig, Model, Spec, Status
from autopilot.spec.schema import NotStructural, structural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Models:
    """The models of one kind.

    Attributes:
        spec: What users write.
        status: What workers remember.
        config: The `config:` map; takes any key where the author gives no model.
        notes: What is no error, but hardly meant.
    """

    spec: type[Spec]
    status: type[Status]
    config: type[Config]
    notes: tuple[str, ...] = ()

    @property
    def has_config(self) -> bool:
        """Whether the author gives a model of the `config:` map."""
        return self.config is not FreeConfig


def models(dotted: str, root: Path) -> Models:
    """Import `spec.py` and pick `Spec`, `Status` and `Config` from it.

    Raises:
        InvalidInput: It can't be imported, or a model is missing or isn't one.
    """
    found = module(f"{dotted}.spec", root)
    problems: list[Problem] = []
    spec = _model(found, "Spec", Spec, problems)
    status = _model(found, "Status", Status, problems)
    config = _model(found, "Config", Config, problems) if hasattr(found, "Config") else FreeConfig
    if status is not None:
        problems += _without_defaults(status, found)
    problems += [
        problem for one in (spec, status) if one for problem in _without_schema(one, found)
    ]
    if problems or spec is None or status is None or config is None:
        raise InvalidInput(problems)
    return Models(spec, status, config, tuple(_plain((spec, status), found)))


def _model(found: ModuleType, name: str, base: type[M], problems: list[Problem]) -> type[M] | None:
    model = getattr(found, name, None)
    if isinstance(model, type) and issubclass(model, base):
        return model
    what = "is missing" if model is None else "isn't a model of autopilot's"
    hint = f"class {name}(autopilot.{name}): ..."
    problems.append(Problem(_file(found), 0, "", f"{name} {what}", hint))
    return None


def _without_defaults(status: type[Status], found: ModuleType) -> list[Problem]:
    return [
        Problem(
            _file(found), 0, f"Status.{name}", "has no default", "a new resource's status is empty"
        )
        for name, info in status.model_fields.items()
        if info.is_required()
    ] + [
        Problem(_file(found), 0, f"Status.{name}", "is a field of the runtime's own", "rename it")
        for name, info in status.model_fields.items()
        if (info.alias or name) in RESERVED_STATUS
    ]


def _without_schema(model: type[Model], found: ModuleType) -> list[Problem]:
    """Why Kubernetes couldn't check a model, with the line of its class."""
    try:
        structural(model)
    except NotStructural as error:
        try:
            line = inspect.getsourcelines(model)[1]
        except (OSError, TypeError):
            line = 0
        return [replace(problem, file=_file(found), line=line) for problem in error.problems]
    except PydanticInvalidForJsonSchema as error:
        hint = "use types that JSON has"
        return [Problem(_file(found), 0, model.__name__, error.message.splitlines()[0], hint)]
    return []


def _plain(tops: Sequence[type[BaseModel]], found: ModuleType) -> Iterator[str]:
    """A note for each nested model whose fields don't become camelCase."""
    waiting, seen = list(tops), set[type[BaseModel]]()
    while waiting:
        model = waiting.pop(0)
        if model in seen:
            continue
        seen.add(model)
        waiting += [one for info in model.model_fields.values() for one in _nested(info.annotation)]
        snakes = [
            name
            for name, info in model.model_fields.items()
            if "_" in (info.serialization_alias or info.alias or name).strip("_")
        ]
        if snakes and not issubclass(model, Model):
            yield (
                f"{_file(found)}: {model.__name__} is a plain pydantic model: {', '.join(snakes)} "
                f"stays as it is in the CRD, not camelCase; derive it from autopilot.Model"
            )


def _nested(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field's type names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in get_args(annotation) for one in _nested(part)]


def _file(found: ModuleType) -> str:
    return shown(Path(found.__file__ or found.__name__))
