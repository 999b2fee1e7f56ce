"""The turn traces: recorded once, listed fast, never a word of what was said."""
