"""Logs and terminals."""
