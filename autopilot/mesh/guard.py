"""Never empty the last healthy destination: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autopilot.mesh.actions import Shift, Split
    from autopilot.mesh.steps import Moves


def split_moves(before: Mapping[str, int] | None, split: Split | Shift) -> Moves:
    """Whither a split moves traffic, as seen from its stable destination.

    Args:
        before: The weights that stand; None where the host isn't split yet, which counts as all
            of the traffic being on the stable side.
        split: What is wanted.
    """
    if before == dict(split.weights):
        return "neutral"
    stood = 100 if before is None else before.get(split.stable, 0)
    wanted = split.weights[split.stable]
    if wanted != stood:
        return "back" if wanted > stood else "forward"
    return "neutral" if before is None else "forward"


def moved_forward(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """How much of the requests one write moves to destinations that gain, in percent.

    Args:
        before: The weights that stand.
        after: The weights that are wanted.
    """
    return float(sum(max(0, weight - before.get(name, 0)) for name, weight in after.items()))


def guard_split(
    split: Split | Shift, ready: Mapping[str, int], before: Mapping[str, int] | None = None
) -> str | None:
    """Why a split must not be written now, or None.

    A move forward (and the first split of a host) needs a ready endpoint at every destination
    that gains. A move back is held up only where its target, the stable destination, has no ready
    endpoint while another has. What stands already may stand.

    Args:
        split: What is wanted.
        ready: Ready endpoints by destination; one that is left out isn't judged.
        before: The weights that stand; None for none.
    """
    receiving = [name for name, weight in split.weights.items() if weight > 0]
    moves = split_moves(before, split)
    if before is not None and moves == "neutral":
        return None
    receiving = [split.stable] if moves == "back" else receiving
    if moves != "back":
        stood = before or {}
        gaining = [name for name in receiving if split.weights[name] > stood.get(name, 0)]
        empty = [name for name in gaining if ready.get(name) == 0]
        if empty:
            return f"{_and(empty)} has no ready endpoint to send requests to"
    others = [name for name in {**split.weights, **(before or {})} if name not in receiving]
    if all(ready.get(name) == 0 for name in receiving):
        alive = [name for name in others if ready.get(name, 0) > 0]
        if alive:
            return f"{_and(receiving)} has no ready endpoint, and {_and(alive)} has: it stays"
    return None


def guard_undo(now: Sequence[str], then: Sequence[str], ready: Mapping[str, int]) -> str | None:
    """Why requests mustn't go back to where they went before, or None.

    Args:
        now: Who gets them.
        then: Who would get them.
        ready: Ready endpoints by destination; one that is left out isn't judged.
    """
    alive = [name for name in now if ready.get(name, 0) > 0]
    if then and alive and all(ready.get(name) == 0 for name in then):
        return f"{_and([*then])} has no ready endpoint, and {_and(alive)} has: it stays"
    return None


def _and(names: list[str]) -> str:
    return " and ".join(names)
