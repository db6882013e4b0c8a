"""Where the templates are, and how they are rendered."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import autopilot
from autopilot.base.errors import TerminalError
from autopilot.project.tidy import tidy

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIX = ".j2"
TEMPLATES = ("blank", "canary", "autoroute", "chaos")
"""By what they scaffold; each is a folder beside `common`."""


@cache
def scaffolding() -> Path:
    """The folder of the templates: inside the installed package, or beside it in a checkout.

    Raises:
        TerminalError: It is in neither place; the installation is broken.
    """
    package = Path(autopilot.__file__).parent
    for folder in (package / "_scaffolding", package.parent / "scaffolding"):
        if (folder / "common").is_dir():
            return folder
    raise TerminalError("the templates are missing from this installation; install it again")


@cache
def _environment() -> Environment:
    # Not HTML: what is rendered is Python, YAML and Markdown, from names that were checked.
    environment = Environment(
        loader=FileSystemLoader(scaffolding()),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["docstring"] = _docstring
    return environment


def _docstring(text: str) -> str:
    """A person's text, fit to stand within triple quotes."""
    return text.replace("\\", "\\\\").replace('"', "'").rstrip(".")


def render(name: str, variables: Mapping[str, object]) -> str:
    """Render a template, named relative to the scaffolding; Python comes out tidy."""
    text = _environment().get_template(name).render(variables)
    return tidy(text) if name.removesuffix(SUFFIX).endswith(".py") else text


def files_of(template: str) -> list[str]:
    """All templates in a folder, relative to it, `.j2` included."""
    folder = scaffolding() / template
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(f"*{SUFFIX}"))


def exists(name: str) -> bool:
    """Whether there is a template of this name."""
    return (scaffolding() / name).is_file()
