"""The parts of the recorded conversation, without a service."""
