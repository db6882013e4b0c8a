"""What every layer stands on: time, errors by consequence, durations, log fields."""
