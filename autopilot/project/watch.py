"""Reloads autopilot-operator.yaml while the operator runs.

By looking at the content: a ConfigMap's mount changes by swapping a symlink two folders up, which
neither the file's own folder nor its modification time shows reliably. An edit counts once two
looks in a row have found it, as an editor may be halfway through writing.
"""

from __future__ import annotations

import inspect
import logging
import os
from typing import TYPE_CHECKING, Generic

from autopilot.base.errors import InvalidInput, Problem
from autopilot.base.logs import fields
from autopilot.project.load import C, read_config_as, shown
from autopilot.spec.operator_config import OperatorConfig
from autopilot.spec.problems import validated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from autopilot.base.clock import Clock
    from autopilot.spec.model import Config

_log = logging.getLogger(__name__)


class ConfigWatch(Generic[C]):
    """Watches one configuration file.

    Args:
        path: The file; may be a symlink, and may come and go.
        on_change: Called with each new configuration that is valid and differs; plain or async.
        clock: Looks are taken by its time.
        models: The authors' models of the `config:` map, which it has to fit.
        interval: Seconds between two looks.
        environ: WATCH_NAMESPACE stands above the file.
        model: What the file is read by.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only: most name none of them
        self,
        path: Path,
        on_change: Callable[[C], Awaitable[None] | None],
        clock: Clock,
        *,
        models: Sequence[type[Config]] = (),
        interval: float = 0.5,
        environ: Mapping[str, str] = os.environ,
        model: type[C] = OperatorConfig,  # type: ignore[assignment]
    ) -> None:
        self._path = path
        self._model = model
        self._on_change = on_change
        self._clock = clock
        self._models = tuple(models)
        self._interval = interval
        self._environ = environ
        self._settled = self._seen = _bytes(path)
        self._running = self._read_silently()
        self.problems: tuple[Problem, ...] = ()

    @property
    def running(self) -> C | None:
        """The last configuration that was valid."""
        return self._running

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._clock.sleep(self._interval)
            await self.look()

    async def look(self) -> None:
        """Look once; act on an edit that the look before has seen too."""
        found, before = _bytes(self._path), self._seen
        self._seen = found
        if found == self._settled or found != before:
            return
        self._settled = found
        if found is None:
            self._refuse(
                [Problem(shown(self._path), 0, "", "is gone", "put it back to change anything")]
            )
            return
        try:
            config = self._read()
        except InvalidInput as error:
            self._refuse(error.problems)
            return
        self.problems = ()
        if config == self._running:
            return
        self._running = config
        _log.info("configuration reloaded", extra=fields(file=shown(self._path)))
        answer = self._on_change(config)
        if inspect.isawaitable(answer):
            await answer

    def _read(self) -> C:
        document, config = read_config_as(self._model, self._path, environ=self._environ)
        problems: list[Problem] = []
        if isinstance(document.value, dict) and document.value.get("config") is not None:
            for model in self._models:
                problems += validated(model, document, at=("config",))[1]
        if problems:
            raise InvalidInput(problems)
        return config

    def _read_silently(self) -> C | None:
        try:
            return self._read()
        except InvalidInput:
            return None

    def _refuse(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        for problem in problems:
            _log.error(
                "configuration refused; the running one is kept", extra=fields(problem=str(problem))
            )


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
