"""`autopilot demo`: see it fly."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.group()
def demo() -> None:
    """See it fly: real requests through a real Envoy, judged by a real Prometheus."""


@demo.command()
@click.option(
    "--json",
    "out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the record of all flights to this file.",
)
def canary(out: Path | None) -> None:
    """Three releases: a good one in rough weather, one with errors, one that is slow.

    Makes an operator with `autopilot init`, runs it in a sandbox under load, and ends with what
    happened. Takes about a minute and a half; exit code 0 only if every flight ended as it should.
    """
    import asyncio
    import signal

    if out is not None:
        # Said before the flights, not after.
        _check_writable(out)

    from autopilot.sandbox.demo.canary import CanaryDemo
    from autopilot.sandbox.demo.show import Show

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
        return await CanaryDemo(Show()).run(out)

    try:
        good = asyncio.run(fly())
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("\nstopped; everything is cleaned up", err=True)
        sys.exit(130)
    sys.exit(0 if good else 1)


def _check_writable(out: Path) -> None:
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
