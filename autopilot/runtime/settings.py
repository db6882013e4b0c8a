"""How a runtime behaves, and the part of it that may change while it runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from autopilot.base.errors import InvalidInput, Problem
from autopilot.runtime.guardrails.limits import Limits
from autopilot.spec.guardrails import Guardrails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autopilot.kube.cache import CacheSettings
    from autopilot.runtime.definition import OperatorDefinition
    from autopilot.spec.model import Config


def any_url(url: str) -> bool:
    """Whoever runs an operator of their own may post where they like."""
    return bool(url)


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """What a runtime is started with.

    Attributes:
        work_interval: How often a worker runs when nothing else wakes it.
        config: The `config:` map for workers, not yet typed.
        workers: How many resources are worked on at once; as many as the client has connections, so
            that a slow API doesn't make a breach wait behind ordinary ticks.
        watch_namespace: The only namespace to serve; empty for all.
        deadline: How long a worker may take.
        dry_run: Decide and log, write nothing.
        metrics_addr: `HOST:PORT` or `:PORT`; empty for no server.
        shell: Whether kopf's watch of the primary kinds runs beside our caches.
        start_timeout: Seconds to wait for the caches' first lists before syncs begin; a cache
            that isn't there then makes the syncs that read it wait, no others.
        stop_timeout: Seconds that running syncs have to finish when the runtime is stopped.
        caches: How caches behave; None for the defaults.
        guardrails: Limits that hold whatever a resource says.
        allow_url: Whether the installation allows posting to a URL's host.
    """

    work_interval: timedelta = timedelta(seconds=5)
    config: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 32
    watch_namespace: str = ""
    deadline: timedelta = timedelta(seconds=30)
    dry_run: bool = False
    metrics_addr: str = ""
    shell: bool = True
    start_timeout: float = 10.0
    stop_timeout: float = 25.0
    caches: CacheSettings | None = None
    guardrails: Guardrails = field(default_factory=Guardrails)
    allow_url: Callable[[str], bool] = any_url


class LiveSettings:
    """The settings that a reload may change, already checked.

    Args:
        definitions: Whose `config:` models the map must satisfy.
        work_interval: See `RuntimeOptions`.
        config: See `RuntimeOptions`.
        guardrails: See `RuntimeOptions`.

    Raises:
        InvalidInput: A model refuses the map.
    """

    def __init__(
        self,
        definitions: Iterable[OperatorDefinition],
        work_interval: timedelta,
        config: Mapping[str, Any],
        guardrails: Guardrails | None = None,
    ) -> None:
        self.limits = Limits.of(guardrails or Guardrails())
        self._definitions = tuple(definitions)
        self.work_interval = work_interval
        self._configs = self._typed(config)

    def config(self, kind: str) -> Config:
        """The `config:` map in the author's own model, by primary kind (qualified)."""
        return self._configs[kind]

    def reload(
        self,
        *,
        config: Mapping[str, Any],
        work_interval: timedelta,
        log_level: int | None = None,
        guardrails: Guardrails | None = None,
    ) -> None:
        """Take over new settings; what is running stays as it is if they are wrong.

        Raises:
            InvalidInput: A model refuses the map; all problems at once.
        """
        typed = self._typed(config)
        self._configs, self.work_interval = typed, work_interval
        if guardrails is not None:
            self.limits = Limits.of(guardrails)
        if log_level is not None:
            logging.getLogger().setLevel(log_level)

    def _typed(self, config: Mapping[str, Any]) -> dict[str, Config]:
        made: dict[str, Config] = {}
        problems: set[Problem] = set()
        for definition in self._definitions:
            try:
                made[definition.kind.qualified] = definition.config.model_validate(dict(config))
            except ValidationError as error:
                problems |= {
                    Problem("", 0, ".".join(["config", *map(str, one["loc"])]), one["msg"])
                    for one in error.errors(include_url=False)
                }
        if problems:
            raise InvalidInput(problems)
        return made
