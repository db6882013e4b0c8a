"""The pytest plugin: fixtures `worker` and `flight` for the authors of operators."""
