"""One piece at a time, without servers."""
