"""Hold what the parts of the package share."""
