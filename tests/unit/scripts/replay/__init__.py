"""Test the parts of a replay without a service."""
