"""Turns before they are run: a place is asked for, and then used or given back."""
