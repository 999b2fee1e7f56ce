"""Test circuit breakers, clients and the classification of errors without a server."""
