"""Scaffolds a project: everything, or nothing."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem
from autopilot.project.files import content, write
from autopilot.project.generate import generate, workers
from autopilot.project.importing import forget
from autopilot.project.load import parse
from autopilot.project.naming import variables
from autopilot.project.templates import SUFFIX, TEMPLATES, files_of, render
from autopilot.project.validate import RESERVED, TAKEN_PACKAGES
from autopilot.spec import names
from autopilot.spec.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.spec.project import OperatorSpec

KINDS = {"canary": "Canary", "autoroute": "AutoRoute", "chaos": "Drill"}
"""The kind that a template is about, where none is asked for."""

_COMMON = {
    "autopilot-operator.yaml": "autopilot-operator.yaml.j2",
    "pyproject.toml": "pyproject.toml.j2",
    "README.md": "README.md.j2",
    "Dockerfile": "Dockerfile.j2",
    ".dockerignore": "dockerignore.j2",
    ".gitignore": "gitignore.j2",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What `init` is asked for.

    Attributes:
        directory: Where; made if it isn't there.
        kind: Empty for the template's own.
        group: The API group.
        version: The API version.
        template: One of `TEMPLATES`.
        operator_name: Empty for one made from the kind.
        force: Whether files that are in the way are replaced.
    """

    directory: Path
    kind: str = ""
    group: str = "example.io"
    version: str = "v1alpha1"
    template: str = "blank"
    operator_name: str = ""
    force: bool = False

    @property
    def named_kind(self) -> str:
        """The kind asked for, else the template's."""
        return self.kind or KINDS.get(self.template, "")

    @property
    def named_operator(self) -> str:
        """The name asked for, else the kind's in kebab case with `-operator` behind it."""
        kebab = names.snake(self.named_kind).replace("_", "-")
        return self.operator_name or f"{re.sub(r'-operator$', '', kebab)}-operator"


def init(wish: Wish) -> list[str]:
    """Scaffold a project and generate what follows from it.

    Returns:
        The files written, relative to the directory.

    Raises:
        InvalidInput: Everything that is wrong with the wish; nothing is written then.
    """
    problems = list(check(wish))
    if problems:
        raise InvalidInput(problems)
    try:
        return _write(wish, wish.directory.resolve())
    except OSError as error:
        why = error.strerror or str(error)
        raise InvalidInput([_wrong("DIR", f"{wish.directory} can't be made: {why}", "")]) from error


def _write(wish: Wish, target: Path) -> list[str]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        draft = Path(temporary) / "project"
        package = _author(wish, draft)
        generate(draft)
        forget(package)
        written = sorted(str(p.relative_to(draft)) for p in draft.rglob("*") if p.is_file())
        if target.exists():
            for name in written:
                write(target / name, content(draft / name) or "")
        else:
            shutil.move(draft, target)
    return written


def check(wish: Wish) -> Iterator[Problem]:
    """All that is wrong with a wish."""
    if wish.template not in TEMPLATES:
        yield _wrong(
            "--template", f"no template {wish.template!r}", did_you_mean(wish.template, TEMPLATES)
        )
    kind = wish.named_kind
    if not kind:
        yield _wrong("--kind", "is missing", "CamelCase, like --kind Canary")
    elif not names.KIND.fullmatch(kind):
        yield _wrong("--kind", f"{kind!r} is no kind", "CamelCase, like Canary")
    elif kind in RESERVED:
        yield _wrong("--kind", f"{kind!r} is a name of the SDK", f"like My{kind}")
    if "." not in wish.group or not names.is_dns_subdomain(wish.group):
        yield _wrong("--group", f"{wish.group!r} is no API group", "a domain, like example.io")
    elif wish.group.endswith((".k8s.io", ".kubernetes.io")):
        yield _wrong(
            "--group", f"{wish.group!r} is kept for Kubernetes itself", "a domain of your own"
        )
    if not names.VERSION.fullmatch(wish.version):
        yield _wrong("--version", f"{wish.version!r} is no version", "like v1 or v1alpha1")
    operator = wish.named_operator
    if kind and (not names.is_dns_label(operator) or not operator[0].isalpha()):
        yield _wrong(
            "--operator-name",
            f"{operator!r} is a name that Kubernetes or Python refuses",
            "lower-case letters, digits and dashes, a letter first: canary-operator",
        )
    elif kind and names.snake(operator) in TAKEN_PACKAGES:
        yield _wrong(
            "--operator-name",
            f"{operator!r} would hide a Python package of that name",
            f"like {operator}-operator",
        )
    yield from _place(wish)


def _place(wish: Wish) -> Iterator[Problem]:
    directory = wish.directory
    if directory.exists() and not directory.is_dir():
        yield _wrong("DIR", f"{directory} is a file", "name a folder")
    elif directory.is_dir() and any(directory.iterdir()) and not wish.force:
        yield _wrong("DIR", f"{directory} isn't empty", "name a new folder, or use --force")


def _wrong(option: str, message: str, hint: str) -> Problem:
    return Problem("", 0, option, message, hint)


def _author(wish: Wish, draft: Path) -> str:
    """Write the author's files; returns the package's name."""
    basic = {
        "kind": wish.named_kind,
        "group": wish.group,
        "version": wish.version,
        "api_version": f"{wish.group}/{wish.version}",
        "plural": names.plural(wish.named_kind),
        "singular": wish.named_kind.lower(),
        "operator_name": wish.named_operator,
        "package": names.snake(wish.named_operator),
    }
    text = render(f"{wish.template}/autopilot.yaml.j2", basic)
    parsed = parse(text, f"{wish.template}/autopilot.yaml{SUFFIX}")
    if parsed.problems:
        raise InvalidInput(parsed.problems)
    operator = parsed.operators[0]
    write(draft / "autopilot.yaml", text)
    for name, rendered in _files(operator, wish.template).items():
        write(draft / name, rendered)
    return operator.package


def _files(operator: OperatorSpec, template: str) -> dict[str, str]:
    package = operator.package
    values = {**variables(operator, package), "template": template}
    files = {name: render(f"common/{source}", values) for name, source in _COMMON.items()}
    files[f"{package}/__init__.py"] = render("common/package.py.j2", values)
    files[f"{package}/workers/__init__.py"] = render("common/workers.py.j2", values)
    files.update(workers(operator, package))
    for source in files_of(template):
        name = source.removesuffix(SUFFIX)
        rendered = render(f"{template}/{source}", values) if source != "autopilot.yaml.j2" else ""
        if name == "example.yaml":
            files["deploy/example.yaml"] = rendered
        elif name.startswith("tests/"):
            files[name] = rendered
        elif name.endswith(".py"):
            files[f"{package}/{name}"] = rendered
    return files
