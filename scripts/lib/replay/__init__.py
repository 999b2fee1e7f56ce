"""Send recorded arrivals to a running service."""
