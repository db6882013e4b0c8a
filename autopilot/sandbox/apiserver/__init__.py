"""A Kubernetes-compatible API server, in memory, on loopback."""
