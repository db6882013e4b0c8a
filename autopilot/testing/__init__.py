"""For authors of operators: a pytest plugin, fakes and virtual time."""
