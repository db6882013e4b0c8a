"""kubectl against a server of our own: nothing of the user's is read or written."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.sandbox.apiserver.server import ApiServer

KUBECTL = os.environ.get("AUTOPILOT_TEST_KUBECTL") or shutil.which("kubectl")
"""The variable names another kubectl; from 1.28 on, all should pass what they can."""
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on the PATH")
TIME_OUT = 30.0


@dataclass
class Answer:
    """What one run of kubectl ended with."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def rows(self) -> list[list[str]]:
        """The cells of a printed table, without its heading."""
        return [line.split() for line in self.lines[1:]]


class Kubectl:
    """Runs kubectl with a home, a configuration and a cache in one folder."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        config = folder / "kubeconfig"
        config.write_text(json.dumps(server.kubeconfig()), "utf-8")
        home = folder / "home"
        home.mkdir()
        self.program = str(KUBECTL)
        if not self.program.endswith("/kubectl"):
            # A field manager is called after the program's file.
            link = folder / "kubectl"
            link.symlink_to(self.program)
            self.program = str(link)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "KUBECONFIG": str(config),
            "KUBECACHEDIR": str(home / "cache"),
            "TMPDIR": str(home),
        }

    async def start(self, *args: str, **env: str) -> asyncio.subprocess.Process:
        """Start kubectl without waiting for its end."""
        return await asyncio.create_subprocess_exec(
            self.program,
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self.env, **env},
        )

    async def run(self, *args: str, stdin: str = "", **env: str) -> Answer:
        """Run kubectl to its end, whatever its exit code."""
        process = await self.start(*args, **env)
        return await finish(process, stdin)

    async def __call__(self, *args: str, stdin: str = "", **env: str) -> Answer:
        """Run kubectl, which has to succeed."""
        answer = await self.run(*args, stdin=stdin, **env)
        assert answer.code == 0, f"kubectl {' '.join(args)}: {answer.err}\n{answer.out}"
        return answer

    async def apply(self, *bodies: dict[str, Any], more: tuple[str, ...] = ()) -> Answer:
        """`kubectl apply -f -` of these objects."""
        return await self("apply", "-f", "-", *more, stdin=documents(*bodies))

    async def read(self, *args: str) -> dict[str, Any]:
        """One object as `kubectl get -o yaml` prints it."""
        answer = await self("get", *args, "-o", "yaml")
        body: dict[str, Any] = yaml.safe_load(answer.out)
        return body

    def script(self, name: str, text: str) -> str:
        """An executable script, for instance an editor."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        path.chmod(0o755)
        return str(path)


async def finish(process: asyncio.subprocess.Process, stdin: str = "") -> Answer:
    """Wait for a process's end; it is killed beyond the time-out."""
    try:
        async with asyncio.timeout(TIME_OUT):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Answer(process.returncode, out.decode(), err.decode())


def documents(*bodies: dict[str, Any]) -> str:
    """Objects as YAML documents; each is JSON as well, so that no `n` turns into a boolean."""
    return "".join(f"---\n{json.dumps(body)}\n" for body in bodies)


def deployment(name: str = "web", image: str = "img:1", **spec: Any) -> dict[str, Any]:
    """A small Deployment."""
    container = {"name": "c", "image": image, "ports": [{"containerPort": 80}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container]},
            },
            **spec,
        },
    }


def config_map(
    name: str = "c", labels: dict[str, str] | None = None, **data: str
) -> dict[str, Any]:
    """A ConfigMap."""
    metadata = {"name": name, "labels": labels} if labels else {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def namespace(name: str) -> dict[str, Any]:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


_PART = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "weight": {"type": "integer"}},
}
_SPEC = {
    "type": "object",
    "required": ["size"],
    "description": "What the widget should be",
    "properties": {
        "size": {"type": "integer", "minimum": 1, "description": "How big"},
        "colour": {"type": "string", "enum": ["red", "green"], "default": "red"},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": _PART,
        },
    },
}
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {
            "kind": "Widget",
            "plural": "widgets",
            "singular": "widget",
            "shortNames": ["wd"],
            "categories": ["all"],
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.size",
                        "statusReplicasPath": ".status.size",
                    },
                },
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {
                        "name": "Ready",
                        "type": "string",
                        "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
                    },
                    {
                        "name": "Colour",
                        "type": "string",
                        "jsonPath": ".spec.colour",
                        "priority": 1,
                    },
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "description": "A widget of the sandbox's tests",
                        "properties": {
                            "spec": _SPEC,
                            "status": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            },
                        },
                    }
                },
            }
        ],
    },
}


def widget(name: str = "w", size: Any = 1, **spec: Any) -> dict[str, Any]:
    """A custom resource of `DEFINITION`."""
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": size, **spec},
    }
