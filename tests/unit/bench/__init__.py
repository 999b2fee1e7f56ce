"""The harness of the bench."""
