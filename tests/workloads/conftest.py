"""Fixtures: an API server, with and without the workloads running on it."""

from __future__ import annotations

from workloads_kit import api, cluster

__all__ = ["api", "cluster"]
