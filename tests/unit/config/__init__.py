"""Test the settings from the environment."""
