"""The ledger on the in-memory twin and on the real database."""
