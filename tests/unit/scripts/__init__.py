"""The parts of the scripts, without servers."""
