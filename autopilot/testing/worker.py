"""Runs one worker function, with what it is given written down by the test."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from autopilot.base.clock import VirtualClock
from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.runtime.context import Context
from autopilot.runtime.decide import Subject, decide
from autopilot.runtime.inputs import Inputs, Listing
from autopilot.runtime.record import Key
from autopilot.runtime.resource import Resource
from autopilot.runtime.result import Result
from autopilot.runtime.view import NeedsAsync, WorkerLog, resource_of
from autopilot.runtime.workers import is_async
from autopilot.telemetry.provider import MetricsReader
from autopilot.telemetry.sample import Sample, Why
from autopilot.telemetry.scripted import ScriptedSamples
from autopilot.testing.declared import Declared, declared_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from autopilot.telemetry.queries import QuerySet

START = datetime(2026, 1, 1, tzinfo=UTC)
"""What the clock says unless a test says otherwise."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker read.

    Attributes:
        inputs: The names of the objects, per kind asked for.
        samples: The answers, with the judgements that the worker made on them.
    """

    inputs: Mapping[str, tuple[str, ...]]
    samples: tuple[Sample, ...]


class WorkerKit:
    """The fixture `worker`: call it with a worker's module or function.

    Attributes:
        seen: What the last worker read.
    """

    def __init__(self) -> None:
        self.seen = Seen({}, ())

    async def __call__(  # noqa: PLR0913 -- keyword-only: a test names only what matters to it
        self,
        worker: ModuleType | Callable[..., Any],
        *,
        resource: Mapping[str, Any] | Resource[Any, Any] | None = None,
        inputs: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        samples: Mapping[str, Any] | ScriptedSamples | None = None,
        config: Any = None,
        due: bool = True,
        attempt: int = 0,
        now: datetime = START,
    ) -> Result[Any]:
        """Run a worker and check its answer as the runtime would.

        Args:
            worker: Its module (`sync` is called) or function.
            resource: A map with any of name, namespace, uid, generation, labels, annotations,
                spec, status, phase and phase_since (spec and status as maps or models), a whole
                body as the API has it, or a `Resource`.
            inputs: Bodies by declared kind; kinds that are left out are empty.
            samples: By query: a number; a map with value, requests, of, age; a `Why`; None for no
                data. Or a `ScriptedSamples`.
            config: The `config:` map, or a model.
            due: As `ctx.due`.
            attempt: As `ctx.attempt`.
            now: As `ctx.now`.

        Raises:
            Refused: The answer, or the resource, isn't allowed; nothing would be written.
            ValueError: An input or a query that the phase doesn't declare.
        """
        sync = cast("Callable[..., Any]", getattr(worker, "sync", worker))
        declared = declared_of(sync)
        res = _resource(declared, resource, now)
        reader = self._reader(declared, samples, res.namespace, now)
        given = _inputs(declared, inputs or {}, res.namespace, reader if is_async(sync) else None)
        context = Context(
            now=now,
            due=due,
            attempt=attempt,
            deadline=now + timedelta(seconds=30),
            config=_config(declared, config),
            log=WorkerLog("test", Key("test", res.namespace, res.name), res.phase, 0),
        )
        try:
            result = sync(res, given, context)
            if inspect.isawaitable(result):
                result = await result
        finally:
            read = {kind: tuple(i.name for i in found) for kind, found in given.read.items()}
            self.seen = Seen(read, tuple(reader.reads))
        return _checked(declared, res, result)

    @staticmethod
    def _reader(declared: Declared, samples: Any, namespace: str, now: datetime) -> MetricsReader:
        provider = samples
        if not isinstance(samples, ScriptedSamples):
            provider = ScriptedSamples(VirtualClock(now))
            for query, answer in (samples or {}).items():
                script(provider, declared.queries, query, answer)
        return MetricsReader(declared.queries, provider, "test", namespace=namespace)


def script(samples: ScriptedSamples, queries: QuerySet, query: str, answer: Any) -> None:
    """Write down one answer, in any of the forms that a test may give it in.

    Raises:
        TypeError: It is none of these.
        ValueError: There is no such query.
    """
    if query != "*" and query not in queries:
        raise ValueError(f"no query {query!r}; there are {', '.join(sorted(queries))}")
    name = query if query == "*" else queries[query].name
    if answer is None:
        samples.no_data(name)
    elif isinstance(answer, Why):
        samples.unknown(answer, name)
    elif isinstance(answer, bool):
        raise TypeError(f"{query}: a sample is a number, not {answer}")
    elif isinstance(answer, int | float):
        samples.set(name, float(answer))
    elif isinstance(answer, Mapping) and answer.get("value") is None:
        rest = {key: value for key, value in answer.items() if key != "value"}
        samples.no_data(name, **rest)
    elif isinstance(answer, Mapping):
        samples.set(name, **answer)
    else:
        raise TypeError(f"{query}: {answer!r} is no sample")


def _resource(declared: Declared, given: Any, now: datetime) -> Resource[Any, Any]:
    if isinstance(given, Resource):
        return given
    fields = dict(given or {})
    if isinstance(fields.get("metadata"), Mapping):
        meta = {"name": "test", "namespace": "default", "uid": "test", **fields["metadata"]}
        body = {**fields, "metadata": meta}
        phase = (fields.get("status") or {}).get("phase") or declared.phase
        return resource_of(declared.definition, body, phase, now)
    plain = {key: fields.pop(key, None) or {} for key in ("spec", "status")}
    models = {key: value for key, value in plain.items() if not isinstance(value, Mapping)}
    body = {
        "metadata": {"name": "test", "namespace": "default", "uid": "test"},
        "spec": {} if "spec" in models else plain["spec"],
        "status": {} if "status" in models else declared.wire_status(plain["status"]),
    }
    phase = str(fields.pop("phase", declared.phase))
    since = fields.pop("phase_since", now)
    made = resource_of(declared.without(models), body, phase, now)
    return replace(made, phase_since=since, **fields, **models)


def _inputs(
    declared: Declared, given: Mapping[str, Any], namespace: str, metrics: object | None
) -> Inputs:
    kinds = declared.inputs if declared.inputs is not None else tuple(given)
    if unknown := sorted(set(given) - set(kinds)):
        raise ValueError(
            f"{declared.phase} doesn't declare the input {', '.join(unknown)} "
            f"(declared: {', '.join(kinds) or 'none'})"
        )

    def lister(kind: str) -> Callable[[], Listing]:
        bodies = [_complete(kind, body, namespace) for body in given.get(kind, ())]
        return lambda: Listing(kind, namespace, bodies)

    reads = metrics if metrics is not None else NeedsAsync()
    return Inputs(
        declared.phase, {kind: lister(kind) for kind in kinds}, reads if declared.metrics else None
    )


def _complete(kind: str, body: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    known: ResourceType | None = KNOWN.get(kind)
    metadata = {"namespace": namespace, **(body.get("metadata") or {})}
    named = {"apiVersion": known.api_version, "kind": known.kind} if known else {}
    return {**named, **body, "metadata": metadata}


def _config(declared: Declared, given: Any) -> Any:
    if given is None or isinstance(given, Mapping):
        return declared.definition.config.model_validate(dict(given or {}))
    return given


def _checked(declared: Declared, res: Resource[Any, Any], result: Any) -> Result[Any]:
    if declared.machine is not None and declared.definition_phase is not None:
        subject = Subject(
            declared.definition,
            declared.machine,
            declared.definition_phase,
            res.namespace,
            res.status.model_dump(mode="json", by_alias=True, exclude_none=True),
            declared.finalizing,
        )
        decide(subject, result)
    if not isinstance(result, Result):
        raise TypeError(f"the worker returned {type(result).__name__}, not a Result")
    return result
