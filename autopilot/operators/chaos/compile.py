"""From what a person wrote to what is run: every problem at once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from autopilot.base import durations
from autopilot.base.errors import InvalidInput, Problem
from autopilot.kube.kinds import ResourceType
from autopilot.mesh.actions import Fault, Where
from autopilot.operators.chaos.compile_conditions import condition_of
from autopilot.operators.chaos.model import ExperimentSpec
from autopilot.spec.names import plural, split_api_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from autopilot.operators.chaos.conditions import Condition
    from autopilot.operators.chaos.model_conditions import Expectation

KEPT = 5_000
"""So many experiments are remembered; one that is forgotten is compiled again."""

SHORTEST_POLL = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class Expect:
    """A reaction of another autopilot, compiled.

    Attributes:
        what: For people.
        kind: Of the other.
        name: Its name.
        namespace: Its namespace.
        phase: The phase that it must be seen in.
        within: After the injection.
    """

    what: str
    kind: ResourceType
    name: str
    namespace: str
    phase: str
    within: timedelta


@dataclass(frozen=True, slots=True)
class Program:
    """An experiment, compiled.

    Attributes:
        spec: As written.
        raw: As on the wire.
        fault: What is injected, without a deadline; None for a control run.
        conditions: What must not come true.
        expects: What others must do.
        where: Whose callers get the faults.
    """

    spec: ExperimentSpec
    raw: Mapping[str, Any]
    fault: Fault | None
    conditions: tuple[Condition, ...]
    expects: tuple[Expect, ...]
    where: Where

    @property
    def share(self) -> float:
        """The largest share of requests that a fault concerns, in percent."""
        faults = self.spec.faults
        shares = [one.abort.percentage for one in faults if one.abort is not None]
        shares += [one.delay.percentage for one in faults if one.delay is not None]
        return max(shares, default=0.0)


def compile_experiment(raw: Mapping[str, Any], namespace: str) -> Program:
    """Compile a spec.

    Args:
        raw: The spec, as on the wire.
        namespace: The experiment's.

    Raises:
        InvalidInput: It can't be run; carries every problem.
    """
    try:
        spec = ExperimentSpec.model_validate(raw)
    except ValidationError as error:
        raise InvalidInput(_shapes(error)) from None
    problems: list[Problem] = []
    home = spec.target.namespace or namespace
    where = Where(spec.target.service, home, spec.target.port, spec.target.route or "", spec.from_)
    fault = _fault(spec, where, problems)
    conditions = []
    for index, one in enumerate(spec.failure_conditions):
        condition = condition_of(one, index, where, problems)
        if condition is not None:
            conditions.append(_as_often(condition, spec.poll_interval))
    names = [one.name for one in conditions]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(_problem("failureConditions", f"two are named {name}"))
    expects = [
        made
        for index, each in enumerate(spec.expects)
        if (made := _expect(each, f"expects[{index}]", spec.duration, home, problems))
    ]
    _sense(spec, problems)
    if problems:
        raise InvalidInput(problems)
    return Program(spec, dict(raw), fault, tuple(conditions), tuple(expects), where)


def _as_often(condition: Condition, interval: timedelta) -> Condition:
    """A condition whose query is asked as often as it is looked at."""
    if condition.query is None:
        return condition
    query = replace(condition.query, interval=interval.total_seconds())
    return replace(condition, query=query)


def _shapes(error: ValidationError) -> list[Problem]:
    found = []
    for one in error.errors(include_url=False):
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in one["loc"])
        found.append(Problem("", 0, f"spec{path}", one["msg"]))
    return found


def _problem(path: str, message: str, hint: str = "") -> Problem:
    return Problem("", 0, f"spec.{path}", message, hint)


def _sense(spec: ExperimentSpec, problems: list[Problem]) -> None:
    if spec.observe_only and spec.faults:
        hint = "take the faults out, or observeOnly"
        problems.append(_problem("observeOnly", "a control run injects nothing", hint))
    if not spec.observe_only and not spec.faults:
        hint = "add one, or observeOnly: true for a control run"
        problems.append(_problem("faults", "there are none", hint))
    if spec.faults and not spec.failure_conditions:
        hint = "add what must not happen, like {trigger: {errorRate: {}}, threshold: 5%}"
        problems.append(_problem("failureConditions", "faults that nobody watches", hint))
    if spec.duration <= timedelta(0):
        problems.append(_problem("duration", "a run of no length", "like 10m"))
    if spec.poll_interval < SHORTEST_POLL:
        problems.append(_problem("pollInterval", "is too short", "500ms or more"))
    elif spec.poll_interval > spec.duration:
        problems.append(_problem("pollInterval", "is longer than the run"))
    else:
        for index, one in enumerate(spec.failure_conditions):
            if (one.for_polls - 1) * spec.poll_interval >= spec.duration:
                path = f"failureConditions[{index}].forPolls"
                told = f"{one.for_polls} polls don't fit into the run: it could never come true"
                problems.append(_problem(path, told))


def _fault(spec: ExperimentSpec, where: Where, problems: list[Problem]) -> Fault | None:
    """The faults as the mesh knows them: one abort and one delay at most."""
    aborts = [one.abort for one in spec.faults if one.abort is not None]
    delays = [one.delay for one in spec.faults if one.delay is not None]
    for index, one in enumerate(spec.faults):
        if (one.abort is None) == (one.delay is None):
            problems.append(_problem(f"faults[{index}]", "has either a delay or an abort"))
    for name, those in (("abort", aborts), ("delay", delays)):
        if len(those) > 1:
            problems.append(_problem("faults", f"two of the kind {name}; a route has one"))
    if any((one.http_status is None) == (one.grpc_status is None) for one in aborts):
        problems.append(_problem("faults", "an abort has httpStatus or grpcStatus"))
    if any(one.duration <= timedelta(0) for one in delays):
        problems.append(_problem("faults", "a delay of no length", "like 2s"))
    shares = [one.percentage for one in aborts] + [one.percentage for one in delays]
    if any(share <= 0 for share in shares):
        problems.append(_problem("faults", "0 % of the requests is no fault"))
    if problems or not spec.faults:
        return None
    abort, delay = next(iter(aborts), None), next(iter(delays), None)
    return Fault(
        where,
        abort_status=None if abort is None else abort.http_status,
        abort_grpc=None if abort is None else abort.grpc_status,
        abort_percentage=100.0 if abort is None else abort.percentage,
        delay=None if delay is None else delay.duration,
        delay_percentage=100.0 if delay is None else delay.percentage,
        take_over=spec.take_over,
    )


def _expect(
    one: Expectation, path: str, longest: timedelta, home: str, problems: list[Problem]
) -> Expect | None:
    given = [name for name in ("rule", "canary", "kind") if getattr(one, name)]
    if len(given) != 1:
        problems.append(_problem(path, "names one of rule, canary and kind"))
        return None
    version, kind = one.api_version, one.kind or given[0].capitalize()
    if version is None:
        version = {"Rule": "autopilot.mesh/v1alpha1", "Canary": "example.io/v1alpha1"}.get(kind)
    name = one.name if one.kind else one.rule or one.canary
    if not version or not name:
        problems.append(_problem(path, "a kind needs apiVersion and name"))
        return None
    within = longest if one.within is None else one.within
    if not timedelta(0) < within <= longest:
        problems.append(_problem(f"{path}.within", "is within the duration of the run"))
    group, short = split_api_version(version)
    namespace = one.namespace or home
    what = f"{kind} {namespace}/{name} in {one.phase} within {durations.render(within)}"
    resource = ResourceType(group, short, plural(kind), kind)
    return Expect(what, resource, name, namespace, one.phase, within)


def with_deadline(fault: Fault, deadline: datetime) -> Fault:
    """The fault with the time at which the sweep removes it, whatever becomes of the operator."""
    return replace(fault, deadline=deadline)


class Programs:
    """Compiles experiments and remembers them by uid."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, tuple[int, Program | InvalidInput]] = OrderedDict()

    def of(self, uid: str, generation: int, raw: Mapping[str, Any], namespace: str) -> Program:
        """An experiment, compiled.

        Raises:
            InvalidInput: It can't be run; carries every problem.
        """
        known = self._made.get(uid)
        if known is None or known[0] != generation or not uid:
            try:
                known = (generation, compile_experiment(raw, namespace))
            except InvalidInput as error:
                known = (generation, error)
            self._made[uid] = known
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        if isinstance(known[1], InvalidInput):
            raise InvalidInput(known[1].problems)
        return known[1]
