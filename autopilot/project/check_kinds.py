"""The inputs, outputs and actions of a phase."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autopilot.kube.kinds import METRICS
from autopilot.mesh.actions import ACTIONS
from autopilot.project.kinds import kinds_of
from autopilot.spec import names
from autopilot.spec.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autopilot.base.errors import Problem
    from autopilot.spec.positions import Document, Path
    from autopilot.spec.project import FinalizerSpec, InputSpec, OperatorSpec

_SELECTOR = re.compile(
    r"\s*!?\s*[\w./-]+\s*((=|==|!=)\s*[\w.-]*|\s+(in|notin)\s*\([\w.,\s-]*\))?\s*"
)


def check_kinds(
    operator: OperatorSpec, owner: FinalizerSpec, at: Path, document: Document
) -> Iterator[Problem]:
    """Everything wrong with what a phase, or the finalizer, reads, writes and does."""
    kinds = kinds_of(operator)
    own = "a kind that isn't known by name is declared in customParameters"
    yield from _twice([entry.kind for entry in owner.inputs], (*at, "inputs"), document)
    yield from _twice(owner.outputs, (*at, "outputs"), document)
    yield from _twice(owner.actions, (*at, "actions"), document)
    for index, entry in enumerate(owner.inputs):
        where = (*at, "inputs", index)
        if entry.kind != METRICS and entry.kind not in kinds:
            hint = did_you_mean(entry.kind, [*kinds, METRICS], otherwise=own)
            yield document.problem(where, f"unknown input {entry.kind!r}", hint)
        else:
            yield from _narrowed(entry, where, document)
    for index, kind in enumerate(owner.outputs):
        where = (*at, "outputs", index)
        if kind == METRICS:
            yield document.problem(where, "metrics can't be an output", "they are an input only")
        elif kind not in kinds:
            hint = did_you_mean(kind, kinds, otherwise=own)
            yield document.problem(where, f"unknown output {kind!r}", hint)
    for index, action in enumerate(owner.actions):
        if action not in ACTIONS:
            hint = did_you_mean(action, ACTIONS)
            yield document.problem((*at, "actions", index), f"unknown action {action!r}", hint)


def check_ownership(operator: OperatorSpec, document: Document) -> Iterator[Problem]:
    """One kind, one owner: what actions make must not be an output as well.

    A set of outputs is complete: it would prune what the split made.
    """
    parts: list[tuple[Path, FinalizerSpec]] = [
        (("phases", index), phase) for index, phase in enumerate(operator.phases)
    ]
    parts.append((("finalizer",), operator.finalizer))
    if not any("split" in part.actions for _, part in parts):
        return
    for at, part in parts:
        for index, kind in enumerate(part.outputs):
            if kind == "virtualservices":
                yield document.problem(
                    (*at, "outputs", index),
                    "virtualservices are made by the action split",
                    "leave them out of the outputs, or split out of the actions",
                )


def _narrowed(entry: InputSpec, at: Path, document: Document) -> Iterator[Problem]:
    if entry.kind == METRICS and (entry.selector or entry.namespace or entry.only):
        yield document.problem(at, "metrics can't be narrowed", "their queries say what they read")
    if entry.kind == "secrets" and not entry.only:
        yield document.problem(at, "secrets are read only by name", "{kind: secrets, name: NAME}")
    if entry.only and entry.selector:
        yield document.problem(at, "both names and a selector", "one of them")
    if entry.selector and not _is_selector(entry.selector):
        yield document.problem(
            (*at, "selector"), f"{entry.selector!r} is no label selector", "like app=web,tier!=db"
        )
    if entry.namespace not in (None, "*") and not names.is_dns_label(str(entry.namespace)):
        yield document.problem(
            (*at, "namespace"),
            f"{entry.namespace!r} is no namespace",
            'a name, "*" for all, or nothing for the resource\'s own',
        )
    for name in entry.only:
        if not names.is_dns_subdomain(name):
            yield document.problem(at, f"{name!r} is no object's name", "like my-credentials")


def _is_selector(text: str) -> bool:
    parts = re.split(r",(?![^(]*\))", text)
    return all(_SELECTOR.fullmatch(part) for part in parts)


def _twice(values: Iterable[str], at: Path, document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield document.problem((*at, index), f"{value!r} is there twice", "keep one")
        seen.add(value)
