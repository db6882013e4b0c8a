"""A small project's files, for tests that write them to disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

AUTOPILOT_YAML = """\
kind: Thing
apiVersion: example.io/v1
operatorName: thing-operator
phases:
- name: Making
  initial: true
  inputs: [pods, metrics]
  outputs: [configmaps]
  actions: [scale]
  transitions: [{to: Made}]
- name: Made
  final: true
"""

SPEC = """\
from autopilot import Config as BaseConfig, Spec as BaseSpec, Status as BaseStatus


class Spec(BaseSpec):
    size: int = 1


class Status(BaseStatus):
    seen: int = 0


class Config(BaseConfig):
    limit: int = 3
"""

WORKER = """\
from autopilot import Result


async def sync(res, inputs, ctx):
    return Result.stay()
"""


class MakeProject(Protocol):
    """Writes a project; `files` replace or add to the usual ones, None leaves one out."""

    def __call__(self, files: dict[str, str | None] | None = None) -> Path: ...
