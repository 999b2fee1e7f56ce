"""`scripts/image` ends with one line if it cannot build: as root on Debian it does."""

import os
from pathlib import Path

import pytest

from scripts.lib.image import __main__ as script
from scripts.lib.image import build


def test_without_debians_tools_it_names_the_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="apt-get install debootstrap buildah"):
        script.main()


def test_it_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="must run as root"):
        script.main()


def test_a_step_that_fails_ends_it_with_the_last_lines() -> None:
    with pytest.raises(build.ImageError, match=r"sh -c .* failed:\nno space left"):
        build.run("sh", "-c", "echo no space left >&2; exit 1")


def test_the_base_has_the_version_and_the_suite_of_the_dockerfile() -> None:
    name, version, suite = build._base()

    assert name == f"python:{version}-slim-{suite}"
    assert (version, suite) == ("3.11", "bookworm")
