"""Readers of requests and of the environment."""
