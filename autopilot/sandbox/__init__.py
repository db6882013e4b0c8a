"""A mesh in a box: one command, one machine, no cluster."""
