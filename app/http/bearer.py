"""Read the credential of an `Authorization` header, RFC 6750."""


def bearer_token(authorization: str | None) -> str | None:
    """Return the token after the scheme `Bearer` (upper or lower case); None without one."""
    scheme, _, token = (authorization or "").strip(" \t").partition(" ")
    token = token.strip(" \t")
    return token if scheme.lower() == "bearer" and token else None
