"""The Kubernetes API: client protocol, caches, apply, Events."""
