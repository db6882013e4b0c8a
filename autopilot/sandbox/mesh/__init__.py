"""Istio's routing on one real Envoy: watches the API, writes file xDS.

It shares no code with the provider that it tests: a misreading of Istio must not test itself.
"""
