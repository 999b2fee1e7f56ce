"""What the script and the gate promise, on the in-memory Redis and on a real one."""
