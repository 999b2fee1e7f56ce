"""Test the local run without servers."""
