"""From a canary's first bad answer to the last request that it gets, beside the floor.

The floor is what no operator can undercut: the scrapes until the query shows the breach (by
Prometheus's own times of its samples, and the operator's own query asked again for the past), and
one write, measured in the same sandbox just before.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from autopilot.sandbox.box import Box
from benchmarks.figures import Outcome, median
from benchmarks.flight import Reaction, Rig, Setting, Unusable
from benchmarks.weight import flip

MAIN = Setting(0.5, 5)
SETTINGS = (Setting(1.0, 5), MAIN, Setting(0.2, 2))
SHARES = (0.2, 1.0, 0.05)
"""Shares of bad answers; the first is tried under every setting, the others under `MAIN`."""

_FLIPS = 10
_SPARE = 3


async def measure(*, quick: bool) -> Outcome:
    outcome = Outcome("breach")
    trials = 2 if quick else 9
    for setting in [MAIN] if quick else SETTINGS:
        shares = SHARES if setting == MAIN and not quick else SHARES[:1]
        await _series(outcome, setting, shares, trials)
    outcome.notes.append(
        "floor = first bad answer → the breach shows in the operator's own query "
        "+ the median write (PATCH → last request) in the same sandbox"
    )
    return outcome


async def _series(
    outcome: Outcome, setting: Setting, shares: tuple[float, ...], trials: int
) -> None:
    with tempfile.TemporaryDirectory(prefix="autopilot-bench-") as name:
        home = Path(name)
        async with Box(home / "sandbox", scrape_interval=setting.scrape) as box:
            flips = await flip(box, _FLIPS)
            rig = Rig(box, home, setting)
            async with rig.flying():
                for share in shares:
                    found = await _trials(outcome, rig, setting, (share, trials))
                    _tell(outcome, found, median(flips.last_old), _label(setting, share))


async def _trials(
    outcome: Outcome, rig: Rig, setting: Setting, plan: tuple[float, int]
) -> list[Reaction]:
    """As many usable trials as planned; what was wrong with others is noted."""
    share, trials = plan
    rng, found = random.Random(11), list[Reaction]()
    for _ in range(trials + _SPARE):
        # The breach falls anywhere between two scrapes, after a window of good behaviour.
        delay = setting.window + 1 + rng.random() * 2 * setting.scrape
        try:
            found.append(await rig.react(share, delay))
        except Unusable as trouble:
            outcome.notes.append(f"left out ({_label(setting, share)}): {trouble}")
        if len(found) == trials:
            break
    return found


def _label(setting: Setting, share: float) -> str:
    return f"{share:.0%} errors, scrape {setting.scrape * 1000:.0f} ms, [{setting.window}s]"


def _tell(outcome: Outcome, found: list[Reaction], write: float, label: str) -> None:
    main = label == _label(MAIN, SHARES[0])
    floors = [one.visible + write for one in found]
    ratios = [one.total / floor for one, floor in zip(found, floors, strict=True)]
    outcome.add(f"{label}: reaction", "s", *(o.total for o in found), aim="≤ 2 s" * main)
    outcome.add("  floor", "s", *floors)
    outcome.add("  reaction / floor", "", *ratios)
    outcome.add("  first bad answer → first scrape", "s", *(o.scraped for o in found))
    outcome.add("  → query shows it", "s", *(o.visible - o.scraped for o in found))
    outcome.add("  → VirtualService changed", "s", *(o.written - o.visible for o in found))
    outcome.add("  → sync over, decision logged", "s", *(o.decided - o.written for o in found))
    outcome.add("  failed requests", "", *(o.failed for o in found))
