"""The tools for development."""
