"""Peers of the service in the benchmarks: small honest programs that do the same with less."""
