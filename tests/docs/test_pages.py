"""The pages can be read: they are short, their links lead somewhere, their blocks are sound."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from config.version import VERSION
from tests.docs.pages import (
    ADRS,
    ANSWERS,
    COMMANDS,
    FILES,
    PAGES,
    PICTURES,
    ROOT_PAGES,
    Block,
    anchors,
    blocks,
    links,
)
from tests.docs.shapes import json_differences, json_values, text_differences
from tests.servers import ROOT

ALL_PAGES = [*PAGES, *ROOT_PAGES]
# Software that is not there where tests run, or that would not end.
NEEDS = {
    *("bench", "docker", "heroku", "honcho", "kubectl", "model", "nginx", "npm"),
    *("pip", "promtool", "redis-cli", "run"),
}
WORDS = {"example", "fails", "varies"}
MOST_LINES = 200
PUBLIC_FILES = [
    *ALL_PAGES,
    *(ROOT / name for name in ("LICENSE", "pyproject.toml", ".pre-commit-config.yaml")),
    *(ROOT / ".github").rglob("*.yml"),
    *(ROOT / "docs").rglob("*.svg"),
]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", ALL_PAGES, ids=named)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    broken = [
        f"{target}#{anchor}"
        for target, anchor in links(page)
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        targets = {target for target, _ in links(page) if target.suffix == ".md"}
        waiting += targets - reached - set(waiting)
    # The index leads to the folder of the decisions.
    assert {page for page in PAGES if ADRS not in page.parents} - reached == set()


def test_decisions_are_numbered_one_by_one_as_their_headings_say() -> None:
    """Refuse a number that two branches have taken."""
    decisions = sorted(ADRS.glob("*.md"))
    assert [int(page.name[:4]) for page in decisions] == [*range(1, len(decisions) + 1)]
    for page in decisions:
        number = int(page.name[:4])
        assert page.read_text(encoding="utf-8").startswith(f"# {number}. "), page.name


def test_the_readme_can_be_read_in_five_minutes() -> None:
    text = (ROOT / "README.md").read_bytes()
    assert text.count(b"\n") <= 150
    assert len(text) <= 8 * 1024


@pytest.mark.parametrize("page", ALL_PAGES, ids=named)
def test_no_page_is_long(page: Path) -> None:
    assert page.read_text(encoding="utf-8").count("\n") <= MOST_LINES


@pytest.mark.parametrize("page", ALL_PAGES, ids=named)
def test_every_fence_says_how_it_is_treated(page: Path) -> None:
    unknown = [f"{block} {block.words}" for block in blocks(page) if not is_known(block)]
    assert unknown == []


def is_known(block: Block) -> bool:
    """Return True if the language and each word of the info string mean something."""
    if block.language in PICTURES:
        return len(block.words) == 1
    needs = block.value("needs")
    rest = [word for word in block.words[1:] if "=" not in word]
    return (
        block.language in FILES
        and (block.language in (*COMMANDS, *ANSWERS) or bool({"example"} & set(rest)))
        and (needs is None or needs in NEEDS)
        and set(rest) <= WORDS
    )


@pytest.mark.parametrize("page", ALL_PAGES, ids=named)
def test_every_block_is_sound(page: Path) -> None:
    unsound = [f"{block}: {fault}" for block in blocks(page) if (fault := syntax_fault(block))]
    assert unsound == []


def syntax_fault(block: Block) -> str:
    """Return what the block's language does not accept; "" if it accepts all."""
    if block.language == "sh":
        command = ["bash", "-n", "-c", block.text]
        return subprocess.run(command, check=False, capture_output=True, text=True).stderr
    try:
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "json":
            list(json_values(block.text))
    except (SyntaxError, ValueError) as fault:
        return str(fault)
    return ""


@pytest.mark.parametrize("path", PUBLIC_FILES, ids=named)
def test_no_public_file_names_a_registry_or_a_path_of_one_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert (
        re.findall(r"pypi\.org|pythonhosted|registry\.npmjs|/(?:home|root|work|tmp)/", text) == []
    )


def test_the_version_stands_once_in_the_service_and_once_in_each_client() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert settings["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "config.version.VERSION"
    }
    assert settings["project"]["license"] == "Apache-2.0"
    assert "Apache License\n" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    found = subprocess.run(
        ["git", "grep", "-lE", f'"{re.escape(VERSION)}"', "--", "*.py", "*.toml"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    in_client = "clients/python/src/turnledger/__init__.py"
    assert found.stdout.split() == [in_client, "config/version.py"]


def test_public_checks_call_the_scripts_of_the_repository() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    commands += [hook["entry"] for repository in hooks["repos"] for hook in repository["hooks"]]

    assert commands == [
        "scripts/check --static",
        ".ci/run",
        "scripts/test --long",
        "scripts/check --static",
        "scripts/check",
    ]
    assert [name for name in commands if not (ROOT / name.split()[0]).is_file()] == []


@pytest.mark.parametrize(
    ("printed", "true"),
    [
        ('{"a": 1}', '{"a": 2.5}'),
        ('{"a": null}', '{"a": {"b": 1}}'),
        ('{"a": "2026-11-30T09:44:39.000Z"}', '{"a": "2027-01-01T00:00:00.123Z"}'),
        ('{"a": ["x"]}', '{"a": []}'),
        ('{"code": "conflict"} {"b": 1}', '{"code":"conflict"}\n{"b":2}'),
    ],
)
def test_answers_of_one_shape_are_alike(printed: str, true: str) -> None:
    assert list(json_differences(printed, true)) == []


@pytest.mark.parametrize(
    ("printed", "true"),
    [
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": true}', '{"a": 1}'),
        ('{"code": "conflict"}', '{"code": "not_found"}'),
        ('{"a": "2026-11-30T09:44:39.000Z"}', '{"a": "2027-01-01"}X'),
        ('{"a": "2026-11-30T09:44:39.000Z"}', '{"a": "yesterday"}'),
        ('{"data": [{"b": 1}]}', '{"data": []}'),
        ('{"data": [{"b": 1}]}', '{"data": [{"c": 1}]}'),
        ('{"a": 1}', ""),
    ],
)
def test_answers_of_another_shape_are_found(printed: str, true: str) -> None:
    assert list(json_differences(printed, true)) != []


def test_an_answer_that_varies_has_one_shape_and_any_words() -> None:
    printed, true = '{"status": "completed", "n": 1}', '{"status": "failed", "n": 2}'

    assert list(json_differences(printed, true)) != []
    assert list(json_differences(printed, true, is_exact=False)) == []
    assert list(json_differences(printed, "{}", is_exact=False)) != []


def test_texts_are_alike_but_for_instants_ids_and_numbers() -> None:
    printed = "new  2\n ── ─\nint_01M8NXF6DGR8EF0PCXS0BAEASZ until 2026-11-30T09:47:09.600Z"
    true = "new    17\n ─────\nint_01M8NXF5TRGN0KETBYKCF1KNSD until 2027-01-01T00:00:00.000Z\n"

    assert list(text_differences(printed.replace("── ─", "──"), true)) == []
    assert list(text_differences(printed, true.replace("new", "known"))) != []
    assert list(text_differences(printed, f"{true}more")) != []
