"""compose.yaml is valid, starts the Procfile's processes, and opens nothing that is to be closed.

No Docker is here: `scripts/image` runs the processes as compose.yaml starts them.
"""

import re
import subprocess
import sys
from typing import Any

import pytest

from tests.deploy.files import DIRECT_WEB, DRAIN_S, compose, must_be_set, procfile, settings
from tests.servers import ROOT

OWN = ("release", "web", "worker")
STORES = ("mongodb", "valkey")
# Of Compose alone, for both stores.
PASSWORD = "STORE_PASSWORD"


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def test_the_file_fits_the_schema_of_compose() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run(
        [*command, ROOT / "compose.yaml"], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_its_processes_are_those_of_the_procfile() -> None:
    commands = {name: services()[name]["command"] for name in OWN}

    assert commands == procfile() | {"web": DIRECT_WEB}


@pytest.mark.parametrize("name", OWN)
def test_every_variable_is_a_setting(name: str) -> None:
    assert set(services()[name]["environment"]) - settings() == set()


def test_the_page_makes_every_variable_that_must_be_set() -> None:
    """Require each variable in compose.yaml itself or in the page's `.env`."""
    page = (ROOT / "docs" / "deploy" / "compose.md").read_text(encoding="utf-8")
    made = set(re.findall(r"for name in ([A-Z_ ]+);", page)[0].split())
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    referred = set(re.findall(r"\$\{([A-Z_]+)", text))

    assert referred == {PASSWORD}
    assert referred <= made
    for name in OWN:
        assert must_be_set() <= made | set(services()[name]["environment"])
        assert services()[name]["env_file"] == ".env"


@pytest.mark.parametrize("name", OWN)
def test_the_service_has_no_rights_and_time_to_drain(name: str) -> None:
    service = services()[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service  # the Dockerfile's
    assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN_S


def test_only_the_proxy_can_be_reached_from_other_machines() -> None:
    open_ports = {
        name: [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")]
        for name, service in services().items()
    }
    assert {name for name, ports in open_ports.items() if ports} == {"nginx"}
    assert services()["nginx"]["profiles"] == ["proxy"]


def test_the_stores_are_alone_with_the_service() -> None:
    assert compose()["networks"]["stores"] == {"internal": True}
    for name in STORES:
        assert services()[name]["networks"] == ["stores"]
        assert "ports" not in services()[name]


def test_nothing_starts_before_what_it_needs() -> None:
    needs = {name: service.get("depends_on", {}) for name, service in services().items()}
    conditions = {
        (name, other): value["condition"] for name in needs for other, value in needs[name].items()
    }
    assert conditions == {
        ("release", "mongodb"): "service_healthy",
        ("release", "valkey"): "service_healthy",
        ("web", "release"): "service_completed_successfully",
        ("worker", "release"): "service_completed_successfully",
        ("nginx", "web"): "service_healthy",
    }


def test_every_store_reports_its_health_and_keeps_its_data() -> None:
    for name in STORES:
        assert services()[name]["healthcheck"]["test"]
        kept = [volume.partition(":")[0] for volume in services()[name]["volumes"]]
        assert set(kept) <= set(compose()["volumes"])


def test_everything_has_a_limit_of_memory_and_of_its_log() -> None:
    for service in services().values():
        assert service["deploy"]["resources"]["limits"]["memory"]
        assert service["logging"] == {"driver": "local"}


def test_its_nginx_forwards_as_the_tested_one_does() -> None:
    """Compare it with deploy/nginx.conf, which `tests/faults` runs in front of both servers."""
    texts = [
        (ROOT / path).read_text(encoding="utf-8")
        for path in ("deploy/nginx.conf", "deploy/compose/nginx.conf")
    ]
    tested, own = (
        re.findall(r"^ +((?:client|send|proxy_[a-oq-z])\w+ .+;)$", text, re.MULTILINE)
        for text in texts
    )
    assert len(tested) == 10
    assert own == tested
    assert "proxy_pass http://$turnledger;" in texts[1]


def test_every_file_that_is_mounted_exists() -> None:
    mounted = [volume.split(":")[0] for volume in services()["nginx"]["volumes"]]

    assert mounted == ["./deploy/compose/nginx.conf", "./certificates"]
    assert (ROOT / mounted[0]).is_file()
