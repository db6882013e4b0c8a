"""Watches a service mesh's telemetry and moves its traffic."""
