"""A scaffolded project is clean by the tools that it brings: ruff, mypy --strict, import."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from autopilot.project.definition import load_definitions
from autopilot.project.generate import generate
from autopilot.project.init import Wish, init
from autopilot.project.templates import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ODD = """\
kind: Switch
apiVersion: odd.example.io/v2beta3
operatorName: odd-one
enableFinalizer: true
phases:
- name: Watching
  initial: true
  inputs: [metrics, {kind: lambdas, selector: a=b}]
  outputs: [lambdas]
- name: HTTPDraining
  description: 'says "so", with a \\ in it.'
  actions: [split]
- name: Gone
  final: true
customParameters:
- {lowerName: lambdas, singleName: Lambda, apiGroup: fn.example.io, version: v1beta1}
queries:
- name: queue-length
  parameters: [Namespace, queueName]
  queryTemplate: max(queue{namespace="[[ Namespace ]]", name="{{ .queueName }}"})
- {name: from, queryTemplate: up}
---
kind: SecondVeryLongNameOfAKindThatFillsTheLine
apiVersion: odd.example.io/v1
phases:
- name: OnlyPhaseWithALongNameAsWell
  initial: true
"""

ODD_SPEC = """\
from autopilot import Spec as BaseSpec
from autopilot import Status as BaseStatus


class Spec(BaseSpec):
    \"\"\"Nothing.\"\"\"


class Status(BaseStatus):
    \"\"\"Nothing.\"\"\"
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that templates don't have; all workers are as `generate` begins them."""
    root = tmp_path_factory.mktemp("odd") / "odd"
    init(Wish(root, kind="Switch", operator_name="odd-one"))
    for worker in (root / "odd_one/workers").glob("*ing.py"):
        worker.unlink()
    (root / "autopilot.yaml").write_text(ODD)
    (root / "odd_one/spec.py").write_text(ODD_SPEC)
    generate(root)
    return root


def run(*command: str, cwd: Path) -> str:
    """Run one of Python's tools; its output, which must be a success."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def all_projects(scaffolded: Callable[[str], Path], odd: Path) -> list[Path]:
    return [*(scaffolded(template) for template in TEMPLATES), odd]


def test_ruff_finds_nothing_to_say_or_to_format(
    scaffolded: Callable[[str], Path], odd: Path
) -> None:
    for project in all_projects(scaffolded, odd):
        run("ruff", "check", "--no-cache", ".", cwd=project)
        run("ruff", "format", "--no-cache", "--check", "--diff", ".", cwd=project)


def test_mypy_is_content_in_strict_mode(
    scaffolded: Callable[[str], Path], odd: Path, tmp_path: Path
) -> None:
    projects = all_projects(scaffolded, odd)
    packages = [load_definitions(project)[0].package for project in projects]
    wanted = [part for package in packages for part in ("-p", package)]
    config = projects[0] / "pyproject.toml"
    settings = config.read_text().replace(f'packages = ["{packages[0]}"]\nplugins', "plugins")
    (tmp_path / "pyproject.toml").write_text(settings)
    path = ":".join(str(project) for project in projects)
    code = "import os, sys; from mypy.main import main; sys.exit(main(clean_exit=True))"
    done = subprocess.run(
        [sys.executable, "-c", code, "--cache-dir", str(tmp_path / "cache"), *wanted],
        cwd=tmp_path,
        env={"MYPYPATH": path, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues found" in done.stdout


def test_every_scaffold_loads_into_definitions(
    scaffolded: Callable[[str], Path], odd: Path
) -> None:
    for project in all_projects(scaffolded, odd):
        _, found = load_definitions(project)
        for definition in found:
            assert definition.initial.worker is not None


def test_every_manifest_is_yaml_with_kind_and_name(
    scaffolded: Callable[[str], Path], odd: Path
) -> None:
    for project in all_projects(scaffolded, odd):
        for path in (project / "deploy").glob("*.yaml"):
            for manifest in yaml.safe_load_all(path.read_text()):
                assert manifest["apiVersion"] and manifest["kind"], path
                assert manifest["metadata"]["name"], path


def test_the_example_fits_the_authors_model(scaffolded: Callable[[str], Path]) -> None:
    for template in TEMPLATES:
        _, (definition,) = load_definitions(scaffolded(template))
        example = yaml.safe_load((scaffolded(template) / "deploy/example.yaml").read_text())
        assert example["kind"] == definition.kind.kind
        assert example["apiVersion"] == definition.kind.api_version
        definition.spec.model_validate(example["spec"], by_alias=True, by_name=False)


@pytest.mark.parametrize("template", TEMPLATES)
def test_its_own_tests_pass_without_a_cluster(
    template: str, scaffolded: Callable[[str], Path]
) -> None:
    run("pytest", "-q", "-p", "no:cacheprovider", cwd=scaffolded(template))
