"""Check the OpenAPI document with the tools of its users: a linter and two client generators."""
