"""Test what must hold while a store, a worker or a client fails."""
