"""Provide faults and load for the fault tests."""
