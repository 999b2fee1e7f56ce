"""Addresses of pages."""

from urllib.parse import quote


def organization_path(organization_id: str) -> str:
    """Return the address of the page of an organization."""
    return f"/console/organizations/{quote(organization_id, safe='')}"
