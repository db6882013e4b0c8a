"""`autopilot.yaml`: an operator's kind, its phases, and what each of them reads and writes.

The field names are those of the original Autopilot, whose files load unchanged.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from autopilot.spec.model import Model
from autopilot.spec.names import plural, snake, split_api_version
from autopilot.spec.types import Duration


class InputSpec(Model):
    """One input: a kind's plural in lower case, or a map that narrows it.

    Attributes:
        kind: Like `deployments`, or `metrics`.
        selector: A label selector, evaluated by the server.
        namespace: None for the resource's own, `*` for all, else its name.
        name: Only this object (Secrets are read only so).
        names: Only these objects.
    """

    kind: str
    selector: str = ""
    namespace: str | None = None
    name: str | None = None
    names: tuple[str, ...] = ()

    @property
    def only(self) -> tuple[str, ...]:
        """The objects that it is narrowed to; empty for all."""
        return (*((self.name,) if self.name else ()), *self.names)


class TransitionSpec(Model):
    """A way out of a phase.

    Attributes:
        to: A phase's name.
    """

    to: str


def _input(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _transition(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(f"a transition is a map; write `- to: {value}`")
    return value


InputList = tuple[Annotated[InputSpec, BeforeValidator(_input)], ...]


class FinalizerSpec(Model):
    """What the finalizer reads and writes.

    Attributes:
        inputs: Like a phase's.
        outputs: Like a phase's.
        actions: Like a phase's.
    """

    inputs: InputList = ()
    outputs: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


class PhaseSpec(FinalizerSpec):
    """One phase.

    Attributes:
        name: As in `status.phase`.
        description: For docs and diagrams.
        initial: Whether a new resource starts here; true for exactly one.
        final: Whether it ends here: no worker, nothing leaves it.
        transitions: Where it may go; None for anywhere.
    """

    name: str
    description: str = ""
    initial: bool = False
    final: bool = False
    transitions: tuple[Annotated[TransitionSpec, BeforeValidator(_transition)], ...] | None = None


class CustomParameter(Model):
    """A kind that isn't known by name.

    Attributes:
        lower_name: The plural in lower case, as inputs and outputs name it.
        single_name: The kind.
        plural_name: The plural in CamelCase (the original's; kept for its files).
        api_group: Like `networking.istio.io`; empty for the core group.
        version: The API version.
        is_crd: The original's; a kind is addressed in the same way whether it is or not.
        namespaced: False for kinds that stand above namespaces.
        import_prefix: Go only: accepted, ignored.
        package: Go only: accepted, ignored.
    """

    lower_name: str
    single_name: str
    plural_name: str = ""
    api_group: str = ""
    version: str = "v1"
    is_crd: bool = False
    namespaced: bool = True
    import_prefix: str | None = None
    package: str | None = None


class QuerySpec(Model):
    """A named query.

    Attributes:
        name: As workers call it, with dashes as underscores.
        parameters: The placeholders of the template.
        query_template: PromQL with `{{ Name }}`, `[[ Name ]]` or Go's `{{ .Name }}`.
        interval: How often it is asked; None for the operator's workInterval.
    """

    name: str
    parameters: tuple[str, ...] = ()
    query_template: str
    interval: Duration | None = None


class OperatorSpec(Model):
    """One document of `autopilot.yaml`: one kind.

    Attributes:
        kind: The custom resource's kind.
        api_version: Its group and version.
        operator_name: Names the operator in labels, logs and manifests. Left out in a further
            document, it is the first one's.
        phases: The states.
        enable_finalizer: Whether `workers/finalizer.py` runs before a resource goes.
        finalizer: What the finalizer reads and writes.
        custom_parameters: Kinds beyond those known by name.
        queries: Named queries beyond the built-in ones.
    """

    kind: str
    api_version: str
    operator_name: str = ""
    phases: tuple[PhaseSpec, ...] = ()
    enable_finalizer: bool = False
    finalizer: FinalizerSpec = FinalizerSpec()
    custom_parameters: tuple[CustomParameter, ...] = ()
    queries: tuple[QuerySpec, ...] = ()

    @property
    def group(self) -> str:
        """The API group."""
        return split_api_version(self.api_version)[0]

    @property
    def version(self) -> str:
        """The API version within the group."""
        return split_api_version(self.api_version)[1]

    @property
    def plural(self) -> str:
        """The kind's name in URLs."""
        return plural(self.kind)

    @property
    def package(self) -> str:
        """The Python package's name."""
        return snake(self.operator_name)
