"""Single fields changed on objects that others own, and always put back."""
