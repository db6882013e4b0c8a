"""Three-valued logic and judges: pure, no I/O."""
