"""Istio: VirtualServices and DestinationRules."""
