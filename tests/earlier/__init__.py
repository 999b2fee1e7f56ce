"""Frozen code of the previous release, for tests of two releases side by side."""
