"""Read the credential of an `Authorization` header, RFC 6750."""


def bearer_token(authorization: str | None) -> str | None:
    """Return the token behind the scheme `Bearer`, in letters of any case; None without one."""
    scheme, _, token = (authorization or "").strip(" \t").partition(" ")
    token = token.strip(" \t")
    return token if scheme.lower() == "bearer" and token else None
