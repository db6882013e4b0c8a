"""`autopilot completion`: completion for a shell."""

from __future__ import annotations

import click

_ALIAS = {
    "bash": "complete -o nosort -F _autopilot_completion ap\n",
    "zsh": "(( $+functions[compdef] )) && compdef _autopilot_completion ap\n",
    "fish": 'complete --no-files --command ap --arguments "(_autopilot_completion)"\n',
}


@click.command()
@click.argument("shell", type=click.Choice(list(_ALIAS)))
def completion(shell: str) -> None:
    """Print a completion script for `autopilot` and `ap`.

    \b
    bash: eval "$(autopilot completion bash)"   in ~/.bashrc
    zsh:  eval "$(autopilot completion zsh)"    in ~/.zshrc
    fish: autopilot completion fish > ~/.config/fish/completions/autopilot.fish
    """  # noqa: D301 -- click wants the backspace itself
    from click.shell_completion import get_completion_class

    from autopilot.cli.main import cli

    found = get_completion_class(shell)
    if found is None:  # every shell of the choice has one
        raise click.ClickException(f"no completion for {shell}")
    script = found(cli, {}, "autopilot", "_AUTOPILOT_COMPLETE").source()
    click.echo(script.rstrip("\n") + "\n" + _ALIAS[shell], nl=False)
