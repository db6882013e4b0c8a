"""Deployments, ReplicaSets, Pods and Endpoints: what a cluster does with them, on one machine.

An ordinary client of an API server. Every pod is a small HTTP application on a loopback port of
its own; all of them live in one asyncio loop.
"""
