"""The operators that come with autopilot, made with the SDK; siblings never import each other."""
