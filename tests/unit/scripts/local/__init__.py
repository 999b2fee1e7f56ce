"""The parts of the local run, without servers."""
