"""How cost grows: with organizations, turns, workers and nodes. `scripts/bench growth --help`."""
