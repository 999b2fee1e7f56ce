"""Speed, measured side by side on the same machine in the same run: `scripts/bench`."""
