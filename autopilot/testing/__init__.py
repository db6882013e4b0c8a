"""For authors of operators: a pytest plugin with the fixtures `worker` and `flight`."""
