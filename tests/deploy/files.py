"""Reads the files of a deployment: Procfile, .env.example, compose.yaml, Kubernetes manifests."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.servers import ROOT

MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
# The command of the image, and of the service for clients that connect directly.
DIRECT_WEB = ["python", "-m", "app"]
# `/readyz` and `/healthz` answer on it, unless PORT says otherwise.
PORT = 8000
USER = 10001
# The service ends within so many seconds after SIGTERM: app/serving.
DRAIN_S = 27


def procfile() -> dict[str, list[str]]:
    """Return the command of each process type."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(": ") for line in lines)
    return {name: command.split() for name, _, command in pairs}


@cache
def settings() -> frozenset[str]:
    """Return every variable of `.env.example`."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^#? ?([A-Z][A-Z_]+)=", text, re.MULTILINE))


def must_be_set() -> frozenset[str]:
    """Return the variables without which no process starts."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8").partition("may be set")[0]
    return frozenset(re.findall(r"^([A-Z][A-Z_]+)=", text, re.MULTILINE))


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return document


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the objects of one manifest."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def objects(kind: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a kind in all manifests."""
    for path in MANIFESTS:
        yield from (each for each in documents(path) if each["kind"] == kind)
