"""The text of the admission script, which Redis runs as one."""

import re
from importlib.resources import files

from redis import Redis

from app.admission.script_source import SHA, SOURCE

CODE = re.sub(r"--.*", "", SOURCE)


def test_every_file_is_included_once() -> None:
    folder = files("app.admission") / "lua"
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    included = re.findall(r"^ *--@include (\w+)$", texts["main.lua"], re.MULTILINE)
    assert sorted([*included, "main"]) == sorted(name.removesuffix(".lua") for name in texts)
    assert "--@include" not in re.sub(r"`--@include NAME`", "", SOURCE)


def test_constants_are_numbers_where_they_are_named() -> None:
    assert "return reply((2))" in CODE  # NEED_SEED
    assert set(re.findall(r"\b[A-Z_]{3,}\b", re.sub(r"'\w+'", "", CODE))) == {
        "ARGV",
        "FIELDS",
        "KEYS",
    }


def test_the_text_reads_the_server_clock_once() -> None:
    assert CODE.count("'TIME'") == 1


def test_the_server_names_the_text_alike(redis_client: Redis) -> None:
    assert redis_client.script_load(SOURCE) == SHA
