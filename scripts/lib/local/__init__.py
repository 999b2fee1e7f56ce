"""Runs the service on this machine, with everything that it needs."""
