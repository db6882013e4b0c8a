"""Queries, samples, sources and the poller: telemetry that can say that it doesn't know."""
