"""`autopilot demo`: see it fly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@click.group()
def demo() -> None:
    """See it fly: real requests through a real Envoy, judged by a real Prometheus."""


_out = click.option(
    "--json",
    "out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the record of all flights to this file.",
)


@demo.command(short_help="Three releases: good, with errors, slow.")
@_out
def canary(out: Path | None) -> None:
    """Three releases: a good one in rough weather, one with errors, one that is slow.

    Makes an operator with `autopilot init`, runs it in a sandbox under load, and ends with what
    happened. Takes about a minute and a half; exit code 0 only if every flight ended as it should.
    """
    _check_writable(out)

    from autopilot.sandbox.demo.canary import CanaryDemo
    from autopilot.sandbox.demo.show import Show

    _fly(lambda: CanaryDemo(Show()).run(out))


@demo.command(short_help="An outage, with a rule and without.")
@_out
def failover(out: Path | None) -> None:
    """An outage: a service breaks, loses all its pods, comes back bad, is mended.

    A Rule moves its traffic to a standby, tries it out in vain, and gives it back in steps; beside
    it a second service goes through the same without autopilot. Takes about a minute; exit code 0
    only if all went as it should.
    """
    _check_writable(out)

    from autopilot.sandbox.demo.failover import FailoverDemo
    from autopilot.sandbox.demo.show import Show

    _fly(lambda: FailoverDemo(Show()).run(out))


@demo.command(short_help="Three experiments: who fails with whom.")
@_out
@click.option(
    "--reports",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the HTML reports to this folder; a new one among the temporary files by default.",
)
def chaos(out: Path | None, reports: Path | None) -> None:
    """Three experiments: a page that fails with its ratings, one that copes, a failover on trial.

    Faults go into real requests through the mesh's configuration, and come out again; Envoy itself
    says at the end how many requests carried one, and that none is left. Takes about a minute and
    a half; exit code 0 only if all ended as it should.
    """
    _check_writable(out)

    from autopilot.sandbox.demo.chaos import ChaosDemo
    from autopilot.sandbox.demo.show import Show

    _fly(lambda: ChaosDemo(Show(), reports).run(out))


def _fly(run: Callable[[], Coroutine[None, None, bool]]) -> NoReturn:
    """Run a demo and exit as it went; a Ctrl-C ends it in order."""
    import asyncio
    import signal

    async def fly() -> bool:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        stopping = False

        def stop() -> None:
            # Once: an impatient second Ctrl-C must not cut the tidying up short.
            nonlocal stopping
            if not stopping:
                stopping = True
                click.echo("\nstopping", err=True)
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop)
        return await run()

    try:
        good = asyncio.run(fly())
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("\nstopped; everything is cleaned up", err=True)
        sys.exit(130)
    sys.exit(0 if good else 1)


def _check_writable(out: Path | None) -> None:
    """Said before the flights, not after."""
    if out is None:
        return
    folder = out.absolute().parent
    if not folder.is_dir():
        raise click.UsageError(f"--json: there is no folder {folder}")
    new = not out.exists()
    try:
        out.open("a").close()
        if new:
            out.unlink()
    except OSError as error:
        raise click.UsageError(f"--json: {out} can't be written: {error.strerror}") from error
