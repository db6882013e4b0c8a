"""Kills an operator after each of its writes: whatever stands between two must be gone on from."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autopilot.testing.flight import Flight

_WRITES = frozenset({"apply", "patch", "replace", "create", "delete"})

_MOST = 300


class DyingClient:
    """A client whose process dies right after a write that changed something: no more is sent.

    Args:
        client: The real one.
        seen: The versions of objects that answers have shown so far.
    """

    def __init__(self, client: Any, seen: set[str]) -> None:
        self._client = client
        self._seen = seen
        self.dead = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        """The real client's, dying where it writes."""
        made = getattr(self._client, name)
        return self._dying(made) if name in _WRITES else made

    def _dying(self, made: Callable[..., Any]) -> Callable[..., Any]:
        async def call(kind: Any, *arguments: Any, **more: Any) -> Any:
            if kind.plural == "events":
                return await made(kind, *arguments, **more)
            if self.dead.is_set():
                await asyncio.Event().wait()
            answer = await made(kind, *arguments, **more)
            if self._changed(answer):
                self.dead.set()
                await asyncio.Event().wait()
            return answer

        return call

    def _changed(self, answer: Any) -> bool:
        version = answer["metadata"].get("resourceVersion") if isinstance(answer, dict) else None
        if version is None:
            return True
        new = version not in self._seen
        self._seen.add(version)
        return new


async def fly_dying(
    f: Flight,
    done: Callable[[], bool],
    check: Callable[[], None],
    kinds: Iterable[str],
    *,
    patience: int = 90,
) -> int:
    """Go on until `done`, with a kill after every single write.

    Args:
        f: The flight; afterwards its operator is alive.
        done: Whether that is enough.
        check: Called every virtual second: raises where something must never be so.
        kinds: What the operator writes.
        patience: Virtual seconds that one life may take.

    Returns:
        How many kills it took.

    Raises:
        AssertionError: It doesn't get anywhere.
    """
    real = f._client
    kills = 0
    seen = {body["metadata"]["resourceVersion"] for kind in kinds for body in f.list(kind)}
    while not done():
        dying = DyingClient(real, seen)
        f._client = dying  # type: ignore[assignment]
        goes = asyncio.create_task(_life(f, done, check, patience))
        died = asyncio.create_task(dying.dead.wait())
        await asyncio.wait({goes, died}, return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if goes.done():
            goes.result()
            break
        goes.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await goes
        kills += 1
        assert kills < _MOST, "it doesn't get anywhere"
    f._client = real
    await f.restart()
    return kills


async def _life(
    f: Flight, done: Callable[[], bool], check: Callable[[], None], patience: int
) -> None:
    await f.restart()
    for _ in range(patience):
        if done():
            return
        check()
        await f.advance("1s")
    raise AssertionError("it doesn't get anywhere")
