"""Tests, laid out like the application."""
