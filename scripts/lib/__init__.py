"""The parts of the scripts."""
