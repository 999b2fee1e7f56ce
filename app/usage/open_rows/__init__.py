"""Turns that the archive has not closed yet."""
