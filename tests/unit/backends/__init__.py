"""Breaker, addresses and judgements, without any server."""
