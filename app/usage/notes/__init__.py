"""What the worker remembers from one pass to the next."""
