"""Transition tables and their diagrams."""
