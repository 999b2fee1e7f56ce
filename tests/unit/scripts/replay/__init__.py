"""What makes up a replay, without a service."""
