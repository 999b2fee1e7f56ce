"""Check the settings and the platform of this process."""

import os
from collections.abc import Iterator, Mapping

from app.doctor.findings import Finding, State
from config.settings import Settings

# Variables by which platforms with a router in front are recognized.
_ROUTERS = {
    "DYNO": "Heroku",
    "RENDER": "Render",
    "FLY_APP_NAME": "Fly.io",
    "K_SERVICE": "Cloud Run",
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
}


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Check what may be left out but is missed later; bad variables never come so far."""
    if settings.operator_token:
        yield Finding("settings", State.OK, "every variable is valid")
        return
    text = "valid, but without OPERATOR_TOKEN: /console is closed"
    step = "set it to 32 random characters or more"
    yield Finding("settings", State.LOOK, text, step)


def check_hops(settings: Settings, environ: Mapping[str, str] = os.environ) -> Finding:
    """Check the proxies that are trusted; only the client can see those that exist."""
    name, hops = "proxy hops", settings.trusted_proxy_hops
    router = next((_ROUTERS[each] for each in _ROUTERS if each in environ), None)
    if hops:
        proxies = "the last proxy" if hops == 1 else f"the last {hops} proxies"
        return Finding(name, State.OK, f"X-Forwarded-For of {proxies} is trusted")
    if router:
        text = f"no proxy is trusted, but {router} has a router: all clients share one address"
        return Finding(
            name, State.LOOK, text, "set TRUSTED_PROXY_HOPS; docs/deploy/proxy.md counts"
        )
    return Finding(name, State.OK, "no proxy is trusted: right without one in front")
