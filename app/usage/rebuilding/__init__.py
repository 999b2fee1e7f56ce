"""Days that are recomputed from their stored turns."""
