"""What is set from outside."""
