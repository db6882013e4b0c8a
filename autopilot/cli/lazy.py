"""A group of verbs that imports one only when it is called, so that `--help` is quick."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class LazyGroup(click.Group):
    """A group that imports a verb when it is asked for.

    Args:
        verbs: Where each verb is (`module:attribute`) and what it does, in the order that a
            newcomer needs them. One whose module isn't installed isn't there.
        more: As for any group.
    """

    def __init__(self, *, verbs: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(**more)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order that a newcomer needs them."""
        return [verb for verb, (where, _) in self._verbs.items() if _installed(where)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module."""
        where, _ = self._verbs.get(cmd_name, ("", ""))
        if not where or not _installed(where):
            return None
        module, _, attribute = where.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that was typed.

        Raises:
            click.UsageError: There is none; one that looks like it is named.
        """
        typed = args[0]
        option = typed.startswith("-")
        if not option and not ctx.resilient_parsing and self.get_command(ctx, typed) is None:
            near = get_close_matches(typed, self.list_commands(ctx), 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {typed!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing one."""
        if known := self.list_commands(ctx):
            with formatter.section("Verbs"):
                formatter.write_dl([(verb, self._verbs[verb][1]) for verb in known])


def _installed(where: str) -> bool:
    return find_spec(where.partition(":")[0]) is not None
