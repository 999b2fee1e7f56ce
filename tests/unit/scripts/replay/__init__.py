"""The parts of a replay, without a service."""
