"""The addresses that docs/deploy/kubernetes.md prints reach both stores over TLS."""

import re
from contextlib import closing
from pathlib import Path

from app.backends import live
from config.settings import BackendKind
from tests.faults.kit.tls import Authority, tls_before
from tests.servers import ROOT, settings_for

# As the page prints them, and what is there instead where tests run.
MONGODB_HOST, REDIS_HOST = "turnledger:password@db.internal:27017", ":password@cache.internal:6380"
CA_FILE = "/etc/turnledger/ca.pem"
# A set would name its members' own ports, which have no TLS here.
SET, ALONE = "replicaSet=rs0", "directConnection=true"


def printed(variable: str) -> str:
    """Return the address of a variable that names the authority's file."""
    page = (ROOT / "docs" / "deploy" / "kubernetes.md").read_text(encoding="utf-8")
    (address,) = re.findall(rf"^{variable}=(.*{CA_FILE}.*)$", page, re.MULTILINE)
    found: str = address
    return found


def port_of(url: str) -> int:
    return int(url.split("/")[2].rpartition(":")[2])


def test_both_stores_answer_over_tls(
    live_mongodb_uri: str, live_redis_url: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    with (
        tls_before(port_of(live_mongodb_uri), authority.context) as mongodb,
        tls_before(port_of(live_redis_url), authority.context) as redis,
    ):
        uri = printed("MONGODB_URI").replace(MONGODB_HOST, f"127.0.0.1:{mongodb}")
        url = printed("REDIS_URL").replace(REDIS_HOST, f"127.0.0.1:{redis}")
        settings = settings_for(
            backend=BackendKind.LIVE,
            mongodb_uri=uri.replace(SET, ALONE).replace(CA_FILE, str(authority.path)),
            redis_url=url.replace(CA_FILE, str(authority.path)),
        )
        with closing(live.connect(settings)) as backend:
            assert backend.database.command("ping")["ok"] == 1
            assert backend.redis.ping() is True
