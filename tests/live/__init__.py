"""What only the real servers can show."""
