"""An operator's project: load, validate, scaffold, generate."""
