"""The roll-ups' store and the archive, the same on every store."""
