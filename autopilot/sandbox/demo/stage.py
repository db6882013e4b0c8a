"""What every demo does: a sandbox up, something flown in it, a record written, all gone again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from autopilot.base.clock import SystemClock
from autopilot.base.tasks import cancel_and_wait
from autopilot.kube.client import NotFound
from autopilot.kube.http import connect
from autopilot.sandbox.box import Box
from autopilot.sandbox.demo.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autopilot.base.clock import Clock
    from autopilot.kube.client import Body, KubeClient
    from autopilot.kube.kinds import ResourceType
    from autopilot.sandbox.demo.show import Show

SCRAPE = 0.5
"""Seconds between scrapes."""

_SERVED = 10.0
"""Seconds within which a new kind has to be served."""

Prepared = TypeVar("Prepared")
Flight = TypeVar("Flight", bound="Recorded")


class Recorded(Protocol):
    """A flight's record."""

    @property
    def as_expected(self) -> bool:
        """Whether it ended as it should."""
        ...

    def encode(self) -> dict[str, Any]:
        """The flight as JSON."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a demo is flown.

    Attributes:
        home: A folder that goes with the demo.
        box: The sandbox, up.
        client: For its API.
        stack: Takes what has to be ended, in the reverse order.
    """

    home: Path
    box: Box
    client: KubeClient
    stack: contextlib.AsyncExitStack


class Demo(Generic[Prepared, Flight]):
    """One demo; what is flown, its subclass says.

    Args:
        show: Prints.
    """

    host = ""
    """What a reader may try to ask."""

    def __init__(self, show: Show) -> None:
        self.show = show
        self.clock: Clock = SystemClock()
        self.observer = Observer(self.clock)
        self.tasks: list[asyncio.Task[None]] = []

    async def prepare(self, home: Path) -> Prepared:
        """What can be done while the sandbox comes up."""
        raise NotImplementedError

    async def fly(self, stage: Stage, prepared: Prepared) -> list[Flight]:
        """Put things into the sandbox and fly."""
        raise NotImplementedError

    def conclude(self, flights: list[Flight], seconds: float) -> None:
        """Print what came of it.

        Args:
            flights: All of them.
            seconds: How long everything took.
        """
        raise NotImplementedError

    def appendix(self) -> dict[str, Any]:
        """What the record has beside the flights."""
        return {}

    def holds(self) -> bool:
        """Whether all that has to hold beside the flights does; asked after them."""
        return True

    async def run(self, out: Path | None = None) -> bool:
        """Fly; True when every flight ended as it should.

        Args:
            out: Where to write the record as JSON.
        """
        began = self.clock.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autopilot-demo-")))
            preparing = asyncio.create_task(self.prepare(home))
            stack.push_async_callback(cancel_and_wait, preparing)
            box = await stack.enter_async_context(Box(home / "sandbox", scrape_interval=SCRAPE))
            stack.push_async_callback(self._cancel)
            self.show.introduce(box.state, self.host, self.clock.monotonic() - began)
            client = await connect(str(box.state.kubeconfig))
            stack.push_async_callback(client.close)
            stage = Stage(home, box, client, stack)
            flights = await self.fly(stage, await preparing)
            self.conclude(flights, self.clock.monotonic() - began)
            if out is not None:
                write(out, flights, self.appendix())
            return all(flight.as_expected for flight in flights) and self.holds()

    def watch(self, client: KubeClient, *kinds: ResourceType) -> None:
        """Have the observer follow kinds."""
        for kind in kinds:
            self.tasks.append(asyncio.create_task(self.observer.watch(client, kind)))

    async def apply_new(self, client: KubeClient, kind: ResourceType, body: Body) -> None:
        """Apply an object of a kind that may take a moment until it is served.

        Raises:
            TimeoutError: It wasn't.
        """
        async with asyncio.timeout(_SERVED):
            while True:
                with contextlib.suppress(NotFound):
                    await client.apply(kind, body, manager="kubectl")
                    return
                await self.clock.sleep(0.05)

    async def _cancel(self) -> None:
        await cancel_and_wait(*self.tasks)


def write(out: Path, flights: Sequence[Recorded], more: Mapping[str, Any]) -> None:
    """Write the record of all flights, and what goes with it."""
    record = {"flights": [flight.encode() for flight in flights], **more}
    out.write_text(json.dumps(record, indent=2) + "\n")
