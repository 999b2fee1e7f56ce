"""Record AI turns in a Turnledger: their identity, time and consumption, and never text."""
