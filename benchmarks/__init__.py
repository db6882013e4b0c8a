"""What Autopilot costs and how quickly it acts, on the real parts: `python -m benchmarks`."""
