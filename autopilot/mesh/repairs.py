"""How often a held field was set back, and when to stop: replicas count as overlays do."""

from __future__ import annotations

from autopilot.overlay.drift import Drift as Repairs

__all__ = ["Repairs"]
