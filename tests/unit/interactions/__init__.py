"""Cursors, ids and filters."""
