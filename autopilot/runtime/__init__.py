"""The loop: queue, inputs, worker, result, writes in their one safe order."""
