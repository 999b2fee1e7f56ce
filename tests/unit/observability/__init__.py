"""Test logs, metrics and health without an application."""
