"""What a schema can't say of `autopilot.yaml`: names, phases, and whether they can be reached."""

from __future__ import annotations

import keyword
import sys
from typing import TYPE_CHECKING

import autopilot
from autopilot.kube.kinds import METRICS
from autopilot.project.check_kinds import check_kinds, check_ownership
from autopilot.project.check_queries import check_queries
from autopilot.spec import names
from autopilot.spec.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autopilot.base.errors import Problem
    from autopilot.spec.positions import Document, Path
    from autopilot.spec.project import OperatorSpec

RESERVED = frozenset((*autopilot.__all__, "Phase", "Queries"))
"""Names that generated code imports beside the kind's own."""

TAKEN_PACKAGES = frozenset(
    (
        *sys.stdlib_module_names,
        *keyword.kwlist,
        *("aiohttp", "autopilot", "click", "deploy", "jinja2", "kopf", "kubernetes"),
        *("prometheus_client", "pydantic", "pytest", "requests", "rich", "tests", "transitions"),
        *("yaml",),
    )
)
"""Package names that would hide something that an operator needs."""


def check_project(pairs: Sequence[tuple[OperatorSpec, Document]]) -> Iterator[Problem]:
    """What documents owe each other: one operator's name, different kinds."""
    seen: set[tuple[str, str]] = set()
    for operator, document in pairs:
        first = pairs[0][0]
        if operator.operator_name != first.operator_name:
            yield document.problem(
                ("operatorName",),
                f"{operator.operator_name!r} differs from the first document's",
                f"a project is one operator: {first.operator_name}, or leave it out",
            )
        key = (operator.kind, operator.group)
        if key in seen:
            yield document.problem(
                ("kind",), f"{operator.kind} is declared twice", "one document for each kind"
            )
        seen.add(key)


def check_operator(operator: OperatorSpec, document: Document) -> Iterator[Problem]:
    """Everything that is wrong within one document."""
    yield from _names(operator, document)
    yield from _custom(operator, document)
    yield from _phases(operator, document)
    yield from _reachable(operator, document)
    for index, phase in enumerate(operator.phases):
        yield from check_kinds(operator, phase, ("phases", index), document)
    yield from check_kinds(operator, operator.finalizer, ("finalizer",), document)
    yield from check_ownership(operator, document)
    if operator.finalizer != type(operator.finalizer)() and not operator.enable_finalizer:
        yield document.problem(
            ("finalizer",), "is there, but not enabled", "add enableFinalizer: true"
        )
    yield from check_queries(operator, document)


def _names(operator: OperatorSpec, document: Document) -> Iterator[Problem]:
    if not names.KIND.fullmatch(operator.kind):
        yield document.problem(
            ("kind",), f"{operator.kind!r} is no kind", "CamelCase, like CanaryDeployment"
        )
    elif operator.kind in RESERVED:
        yield document.problem(
            ("kind",), f"{operator.kind!r} is a name of the SDK", f"like My{operator.kind}"
        )
    yield from check_api_version(operator.api_version, document)
    name = operator.operator_name
    if not name:
        yield document.problem((), "operatorName is missing", "like canary-operator")
    elif not names.is_dns_label(name) or not name[0].isalpha():
        yield document.problem(
            ("operatorName",),
            f"{name!r} is a name that Kubernetes or Python refuses",
            "lower-case letters, digits and dashes, a letter first, at most 63: canary-operator",
        )
    elif operator.package in TAKEN_PACKAGES:
        yield document.problem(
            ("operatorName",),
            f"{name!r} would hide a Python package of that name",
            f"like {name}-operator",
        )


def check_api_version(api_version: str, document: Document) -> Iterator[Problem]:
    """Group with a dot, and a version as Kubernetes orders them."""
    group, version = names.split_api_version(api_version)
    if not group or "." not in group or not names.is_dns_subdomain(group):
        yield document.problem(
            ("apiVersion",),
            f"{api_version!r} has no group that Kubernetes takes",
            "a domain, a slash, a version: example.io/v1",
        )
    elif group.endswith((".k8s.io", ".kubernetes.io")):
        yield document.problem(
            ("apiVersion",),
            f"{group!r} is kept for Kubernetes itself",
            "a domain of your own: example.io/v1",
        )
    if not names.VERSION.fullmatch(version):
        yield document.problem(
            ("apiVersion",), f"{version!r} is no version", "like v1, v1beta1 or v1alpha1"
        )


def _custom(operator: OperatorSpec, document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, custom in enumerate(operator.custom_parameters):
        at = ("customParameters", index)
        if not names.PLURAL.fullmatch(custom.lower_name) or custom.lower_name == METRICS:
            yield document.problem(
                (*at, "lowerName"),
                f"{custom.lower_name!r} is no plural of a kind",
                "lower-case letters and digits, like upstreams",
            )
        if custom.lower_name in seen:
            yield document.problem((*at, "lowerName"), f"{custom.lower_name!r} is there twice")
        seen.add(custom.lower_name)
        for key, value in (("singleName", custom.single_name), ("pluralName", custom.plural_name)):
            if value and not names.KIND.fullmatch(value):
                like = f"CamelCase, like {value[:1].upper()}{value[1:]}"
                yield document.problem((*at, key), f"{value!r} isn't spelled as a kind", like)
        if custom.api_group and not names.is_dns_subdomain(custom.api_group):
            yield document.problem(
                (*at, "apiGroup"), f"{custom.api_group!r} is no API group", "like gloo.solo.io"
            )
        if not names.VERSION.fullmatch(custom.version):
            yield document.problem(
                (*at, "version"), f"{custom.version!r} is no version", "like v1 or v1beta1"
            )


def _phases(operator: OperatorSpec, document: Document) -> Iterator[Problem]:
    if not operator.phases:
        yield document.problem(("phases",), "there is no phase", "declare at least one")
        return
    first: dict[str, tuple[int, str]] = {}
    for index, phase in enumerate(operator.phases):
        at: Path = ("phases", index)
        if not names.KIND.fullmatch(phase.name):
            yield document.problem(
                (*at, "name"), f"{phase.name!r} is no name for a phase", "CamelCase, like RollBack"
            )
            continue
        module = names.python_name(phase.name)
        if module in first:
            where, other = first[module]
            same = "is declared twice" if other == phase.name else f"clashes with {other!r}"
            yield document.problem(
                (*at, "name"),
                f"phase {phase.name!r} {same} (first in phases[{where}])",
                f"each needs a file of its own: workers/{module}.py",
            )
        elif module in ("finalizer", "__init__"):
            yield document.problem(
                (*at, "name"),
                f"a phase can't be called {phase.name!r}",
                "workers/finalizer.py is the finalizer's",
            )
        first.setdefault(module, (index, phase.name))
    yield from _one_initial(operator, document)
    yield from _finals(operator, document)


def _one_initial(operator: OperatorSpec, document: Document) -> Iterator[Problem]:
    initial = [index for index, phase in enumerate(operator.phases) if phase.initial]
    if not initial:
        yield document.problem(
            ("phases",),
            "no phase is initial",
            f"add `initial: true` to exactly one, such as {operator.phases[0].name}",
        )
    for index in initial[1:]:
        yield document.problem(
            ("phases", index, "initial"),
            f"a second initial phase (the first is {operator.phases[initial[0]].name})",
            "exactly one phase is initial",
        )


def _finals(operator: OperatorSpec, document: Document) -> Iterator[Problem]:
    for index, phase in enumerate(operator.phases):
        if not phase.final:
            continue
        for key in ("inputs", "outputs", "actions", "transitions"):
            if getattr(phase, key):
                yield document.problem(
                    ("phases", index, key),
                    f"the final phase {phase.name} has {key}",
                    "nothing runs in a final phase: remove them, or `final`",
                )


def _reachable(operator: OperatorSpec, document: Document) -> Iterator[Problem]:
    known = [phase.name for phase in operator.phases]
    for index, phase in enumerate(operator.phases):
        seen: set[str] = set()
        for number, transition in enumerate(phase.transitions or ()):
            at = ("phases", index, "transitions", number, "to")
            if transition.to not in known:
                yield document.problem(
                    at, f"no phase {transition.to!r}", did_you_mean(transition.to, known)
                )
            elif transition.to in seen:
                yield document.problem(at, f"{transition.to!r} is there twice", "keep one")
            seen.add(transition.to)
    start = next((phase.name for phase in operator.phases if phase.initial), None)
    if start is None:
        return
    reached = _closure(operator, start)
    for index, phase in enumerate(operator.phases):
        if phase.name not in reached and known.index(phase.name) == index:
            yield document.problem(
                ("phases", index, "name"),
                f"phase {phase.name!r} can't be reached from {start!r}",
                f"add `- to: {phase.name}` to the transitions of a phase that can",
            )


def _closure(operator: OperatorSpec, start: str) -> set[str]:
    """The phases that can be reached; one without declared transitions may go anywhere."""
    ways = {
        phase.name: (
            [way.to for way in phase.transitions]
            if phase.transitions is not None
            else []
            if phase.final
            else [other.name for other in operator.phases]
        )
        for phase in operator.phases
    }
    reached, todo = {start}, [start]
    while todo:
        for name in ways.get(todo.pop(), []):
            if name not in reached:
                reached.add(name)
                todo.append(name)
    return reached
