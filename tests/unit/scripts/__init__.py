"""Test the scripts without servers."""
