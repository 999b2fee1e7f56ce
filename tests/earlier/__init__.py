"""What an earlier release ran and stored, frozen: for tests of two releases side by side."""
