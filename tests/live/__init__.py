"""Test properties that only the real servers can show."""
