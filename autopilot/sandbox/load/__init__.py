"""A steady, known rate of requests, and what came of them."""
