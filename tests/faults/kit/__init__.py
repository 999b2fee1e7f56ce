"""What the fault tests break, and the load under which they do."""
