"""Record AI turns in a Turnledger: who ran which turn, when, and what it consumed; never text."""
