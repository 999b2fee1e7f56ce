"""Notes that the worker keeps from one pass to the next."""
