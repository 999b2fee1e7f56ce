"""Limits and records under concurrent requests."""
