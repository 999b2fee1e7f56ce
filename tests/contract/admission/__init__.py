"""Promises of the script and the gate, on the in-memory Redis and on a real one."""
