"""Stopping everything: by a ConfigMap that operators obey, and by marks, without any operator."""
