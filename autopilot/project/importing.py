"""Imports the author's package, and says of what fails there where it is."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@contextmanager
def importable(root: Path, package: str, *, fresh: bool = False) -> Iterator[None]:
    """Let a package be imported from a folder, before any other of its name.

    The folder stays on the path (workers may import late). No bytecode is written: a project's
    folder holds what its author put there.

    Args:
        root: The project's folder.
        package: The package's name.
        fresh: Forget what was imported before, as the files may have changed.
    """
    forget(package, unless_below=None if fresh else root)
    place = str(root)
    if sys.path[:1] != [place]:
        if place in sys.path:
            sys.path.remove(place)
        sys.path.insert(0, place)
    importlib.invalidate_caches()
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def forget(package: str, *, unless_below: Path | None = None) -> None:
    """Drop a package from the import system, unless it came from below this folder."""
    module = sys.modules.get(package)
    if module is None:
        return
    places = [Path(place).resolve() for place in getattr(module, "__path__", [])]
    if unless_below is not None and any(
        place.is_relative_to(unless_below.resolve()) for place in places
    ):
        return
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        del sys.modules[name]


def module(name: str, root: Path) -> ModuleType:
    """Import a module of the author's.

    Raises:
        InvalidInput: It can't be imported; the problem names the author's file and line.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise InvalidInput([import_problem(error, name, root)]) from error


def import_problem(error: Exception, name: str, root: Path) -> Problem:
    """Where in the author's own files an import failed."""
    what = f"importing {name} failed: {type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        return Problem(_shown(error.filename), error.lineno or 0, "", f"syntax: {error.msg}")
    below = root.resolve()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).resolve().is_relative_to(below):
            return Problem(_shown(frame.filename), frame.lineno or 0, "", what)
    return Problem("", 0, "", what)


def _shown(file: str) -> str:
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except ValueError:
        return file
