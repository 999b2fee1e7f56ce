"""Test one module at a time, without servers."""
