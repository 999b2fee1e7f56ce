"""Requests and answers through the whole application."""
