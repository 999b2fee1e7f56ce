"""The conversation itself, by subject."""
