"""The worker on chores of the tests."""
