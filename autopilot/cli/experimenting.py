"""What the verbs of `autopilot experiment` share: finding, starting, ending experiments."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autopilot.base.errors import InvalidInput, Problem, TerminalError
from autopilot.kube.client import ApiError, Conflict, NotFound
from autopilot.kube.http import connect
from autopilot.kube.marks import ABORT, RERUN
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.check_files import checked
from autopilot.operators.chaos.model import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from autopilot.cli.cluster import Access
    from autopilot.kube.client import Body, KubeClient
    from autopilot.operators.chaos.check_files import Found

PATIENCE = 10.0
"""Seconds for one call."""

MANAGER = "autopilot-experiment"


@asynccontextmanager
async def client_of(access: Access) -> AsyncIterator[KubeClient]:
    """The API, for as long as it is needed."""
    client = await connect(
        access.kubeconfig, access.context, user_agent="autopilot/experiment", timeout=PATIENCE
    )
    try:
        yield client
    finally:
        await client.close()


def experiments_in(files: tuple[str, ...], namespace: str) -> list[Found]:
    """The experiments of some files; `-` is standard input. Notes go to standard error.

    Raises:
        InvalidInput: Every problem.
    """
    from autopilot.cli.rule_validate import stdin_text

    paths = [Path(file) for file in files if file != "-"]
    found = checked(paths, namespace, stdin_text() if "-" in files else None)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    if found.problems:
        raise InvalidInput(found.problems)
    return list(found.experiments)


def one_of(file: str, namespace: str) -> Found:
    """The one experiment of a file.

    Raises:
        InvalidInput: It is wrong, or isn't alone.
    """
    found = experiments_in((file,), namespace)
    if len(found) > 1:
        hint = "one run has one verdict: put each into a file of its own"
        raise InvalidInput([Problem(file, 0, "", f"holds {len(found)} experiments", hint)])
    return found[0]


async def fetch(client: KubeClient, namespace: str, name: str) -> Body:
    """An experiment.

    Raises:
        TerminalError: There is none of that name.
        ApiError: The API can't be reached.
    """
    try:
        return await client.get(EXPERIMENTS, name, namespace)
    except NotFound:
        raise TerminalError(f"there is no Experiment {namespace}/{name}") from None


def phase_of(body: Body) -> str:
    """Its phase; empty while nobody has looked at it."""
    return str((body.get("status") or {}).get("phase") or "")


def run_of(body: Body) -> int:
    """The number of its present or last run; 0 before the first."""
    run = (body.get("status") or {}).get("run")
    return run if isinstance(run, int) else 0


async def begin(client: KubeClient, found: Found) -> tuple[Body, int]:
    """Make an experiment, or run one that is there and over once more, as the file has it.

    Returns:
        The experiment, and the number of its last run before this one.

    Raises:
        InvalidInput: It is at work, or goes, or is suspended.
        ApiError: The API refuses.
    """
    if found.program is not None and found.program.spec.suspend:
        raise InvalidInput([found.document.problem(("spec", "suspend"), "nothing would begin")])
    wanted = {**found.document.value, "status": None}
    wanted = {key: value for key, value in wanted.items() if value is not None}
    wanted["apiVersion"], wanted["kind"] = EXPERIMENTS.api_version, EXPERIMENTS.kind
    wanted["metadata"] = {**wanted["metadata"], "namespace": found.namespace}
    try:
        live = await client.get(EXPERIMENTS, found.name, found.namespace)
    except NotFound:
        return await client.create(EXPERIMENTS, wanted, found.namespace, manager=MANAGER), 0
    check_over(live)
    meta = live["metadata"]
    marks = {**(meta.get("annotations") or {}), RERUN: "true"}
    patch = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
        {"op": "add", "path": "/spec", "value": wanted["spec"]},
        {"op": "add", "path": "/metadata/annotations", "value": marks},
    ]
    body = await client.patch(EXPERIMENTS, found.name, found.namespace, patch, manager=MANAGER)
    return body, run_of(live)


def check_over(body: Body) -> None:
    """Make sure that another run can begin.

    Raises:
        InvalidInput: It is at work, or goes.
    """
    name = f"Experiment {body['metadata'].get('namespace')}/{body['metadata']['name']}"
    if body["metadata"].get("deletionTimestamp"):
        raise InvalidInput([Problem("", 0, name, "is being deleted", "wait until it is gone")])
    phase = phase_of(body)
    if phase not in machine.VERDICTS:
        hint = "wait for its verdict, or end it: autopilot experiment abort"
        raise InvalidInput([Problem("", 0, name, f"is in {phase or 'no phase yet'}", hint)])


async def mark(client: KubeClient, body: Body, annotation: str, value: str) -> Body:
    """Write an annotation to this very experiment.

    Raises:
        TerminalError: Another one of its name stands there now.
        ApiError: The API refuses.
    """
    meta = body["metadata"]
    patch: dict[str, Any] = {"metadata": {"uid": meta["uid"], "annotations": {annotation: value}}}
    try:
        return await client.patch(
            EXPERIMENTS, meta["name"], meta.get("namespace"), patch, manager=MANAGER
        )
    except (Conflict, NotFound):
        raise TerminalError(f"Experiment {meta['name']} is gone, or was made anew") from None


async def order_abort(client: KubeClient, body: Body, why: str) -> str:
    """Order an experiment to end; returns what came of it, in words, and never raises."""
    try:
        await mark(client, body, ABORT, why)
    except (ApiError, TerminalError) as error:
        return f"it could not be aborted: {error}"
    return "aborted: its fault is being removed"


def in_namespace(verb: Any) -> Any:
    """Give a verb `-n`."""
    return click.option(
        "-n", "--namespace", default="default", show_default=True, help="Where none is written."
    )(functools.wraps(verb)(verb))
