"""One worker for each phase of an experiment."""
