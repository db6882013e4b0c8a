"""What the tools say where there is no cluster to look at."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tools_kit import autopilot

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_cluster_that_is_not_there_is_told_in_plain_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        # Bound and not listening: whoever connects is refused, and nobody else gets the port.
        taken.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "kc").write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nusers: [{name: u, user: {}}]\n"
            f"clusters: [{{name: k, cluster: {{server: '{server}'}}}}]\n"
            "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
        )
        done = await autopilot("explain", "rule/x", "--kubeconfig", "kc", cwd=tmp_path)
        other = ("explain", "rule/x", "--kubeconfig", "kc", "--context", "typo")
        wrong = await autopilot(*other, cwd=tmp_path)
    assert done.code == 1
    assert done.err.endswith(f"at {server}: can't connect: Connection refused\n")
    assert (wrong.code, "kc: there is no context 'typo'" in wrong.err) == (2, True)
