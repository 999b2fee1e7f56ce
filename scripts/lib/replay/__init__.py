"""Sends recorded arrivals to a running service."""
