"""Rules: state machines over telemetry in plain YAML, run by one generic worker."""
