"""Decisions of the client without I/O: requests, answers, retries, identity, the end of a turn."""
