"""Limits that hold whatever a resource says: they bound what moves traffic forward."""
