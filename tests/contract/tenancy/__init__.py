"""Organizations and keys as the stores keep them."""
