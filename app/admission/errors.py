"""Errors of admission."""

from app.http.problems import Problem


class SeedingTimeout(Problem):
    """Counters were not ready before the deadline; loading usually continues, so retry."""
