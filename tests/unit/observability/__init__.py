"""Logs, metrics and health by themselves."""
