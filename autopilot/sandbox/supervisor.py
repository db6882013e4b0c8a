"""`python -m autopilot.sandbox.supervisor`: holds a box for `autopilot sandbox up`.

It belongs to no terminal, keeps the state file true, and ends with SIGTERM. When it is killed,
the kernel ends the box's processes.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from autopilot.base import logs
from autopilot.base.errors import AutopilotError
from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.sandbox import state as states
from autopilot.sandbox.box import Box
from autopilot.sandbox.homes import BOX
from autopilot.sandbox.processes import identify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.sandbox.state import State

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m autopilot.sandbox.supervisor", description=__doc__
    )
    parser.add_argument("--home", type=Path, required=True, help="the sandbox's folder")
    parser.add_argument("--demo-app", action="store_true")
    parser.add_argument("--load", type=float, help="requests a second on the demo app")
    parser.add_argument("--scrape-interval", type=float, default=0.5, help="seconds")
    return parser.parse_args(argv)


class Supervisor:
    """Holds one box and says how it is.

    Args:
        home: The sandbox's folder; removed at the end.
        box: What to hold.
    """

    def __init__(self, home: Path, box: Box) -> None:
        self._home = home
        self._box = box
        self._told: State | None = None
        self._me = identify(os.getpid())

    async def run(self) -> int:
        """Hold the box until a signal; 1 if it could not be started."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._tell(self._box.state)
        starting = asyncio.create_task(self._box.start())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not starting.done():
                await cancel_and_wait(starting)
                return 0
            starting.result()
            while not stop.is_set():
                self._tell(self._box.state)
                await asyncio.wait({stopping}, timeout=LOOK_SECONDS)
        except (AutopilotError, OSError) as error:
            log.error("the sandbox could not be started", extra=fields(error=str(error)))
            self._fail(str(error))
            return 1
        finally:
            stopping.cancel()
            await self._box.stop()
        shutil.rmtree(self._home, ignore_errors=True)
        return 0

    def _tell(self, state: State) -> None:
        state = state.with_supervisor(self._me)
        if state != self._told:
            states.write(self._home, state)
            self._told = state

    def _fail(self, message: str) -> None:
        # The folder stays, with the log: whoever waits for `up` reads both, and the next one
        # cleans up.
        name, where = self._box.name, str(self._home)
        failed = states.State(name, states.FAILED, where, message=message)
        states.write(self._home, failed.with_supervisor(self._me))


def main(argv: Sequence[str] | None = None) -> int:
    """Hold a box until SIGTERM or SIGINT."""
    options = _arguments(argv)
    logs.configure(logging.INFO)
    box = Box(
        options.home / BOX,
        name=options.home.name,
        load_rate=options.load,
        scrape_interval=options.scrape_interval,
        demo_app=options.demo_app,
    )
    return asyncio.run(Supervisor(options.home, box).run())


if __name__ == "__main__":
    sys.exit(main())
