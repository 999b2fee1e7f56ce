"""Values that differ between runs get names by which relations can still be compared."""

import pytest

from scripts.lib.conversation.names import Names, instant_of, ms_of

BEGAN_MS = ms_of("2026-11-30T09:00:00.000Z")
ULID = "01M8NXXS46KGVA6WK83PVYJBPJ"
OTHER = "01M8NXXS46KGVA6WK83PVYJBPK"
KEY = "uniq_live_" + "QWlUabcd" + "s" * 32 + "crc123"
CURSOR = "W" * 70 + "." + "x" * 43


@pytest.fixture
def names() -> Names:
    made = Names(BEGAN_MS)
    made.begin("001", BEGAN_MS)
    return made


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (ULID, "<ulid 001.1>"),
        (f"int_{ULID}", "int_<ulid 001.1>"),
        (ULID.lower(), "<ulid 001.1>"),
        (KEY, "<key 001.1>"),
        (CURSOR, "<cursor 001.1>"),
        (CURSOR[:-2], "<cursor 001.1>"),
        ("ab" * 32, "<digest 001.1>"),
        ("ab" * 12, "<object 001.1>"),
        ("~" + "r" * 22, "<relationship 001.1>"),
        ("2026-11-30T09:00:02.000Z", "<instant 001.1 sent+0s>"),
        ("2026-11-30T09:02:31.000Z", "<instant 001.1 sent+150s>"),
        ("2026-11-30T09:30:00.000Z", "<instant 001.1>"),
        (f"{BEGAN_MS * 1_000 + 7}", "<us 001.1 sent+0s>"),
    ],
)
def test_a_value_that_differs_between_runs_gets_a_name(names: Names, value: str, name: str) -> None:
    assert names.text(f'{{"a":"{value}"}}') == f'{{"a":"{name}"}}'


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-30T00:00:00.000Z",
        "2020-01-01T00:00:00.000Z",
        "1234567",
        "turn-1",
        "validation_error",
        "x" * 300,
        "https://turnledger.example/docs#not_found",
        "rel_42",
    ],
)
def test_a_value_that_is_the_same_in_every_run_stays(names: Names, text: str) -> None:
    assert names.text(text) == text


def test_an_instant_that_was_sent_stays(names: Names) -> None:
    sent = "2026-11-30T09:00:01.000Z"
    names.begin("002", BEGAN_MS, f'{{"occurred_at": "{sent}"}}')
    assert names.text(sent) == sent


def test_a_value_keeps_its_first_name(names: Names) -> None:
    assert names.text(f"{ULID} {OTHER}") == "<ulid 001.1> <ulid 001.2>"
    names.begin("002", BEGAN_MS)
    assert names.text(f"{OTHER} {ULID}") == "<ulid 001.2> <ulid 001.1>"


def test_a_key_is_known_by_its_parts(names: Names) -> None:
    names.text(KEY)
    assert names.text("uniq_live_QWlU...") == "<key 001.1>.hint..."
    assert names.text('"lookup": "QWlUabcd"') == '"lookup": "<key 001.1>.lookup"'


def test_a_hint_that_comes_before_its_key(names: Names) -> None:
    text = f'{{"hint": "uniq_live_QWlU...", "key": "{KEY}"}}'
    assert names.text(text) == '{"hint": "<hint 001.1>...", "key": "<key 001.1>"}'
    assert names.text("QWlUabcd") == "<key 001.1>.lookup"


def test_a_turn_is_known_by_the_rest_of_its_id(names: Names) -> None:
    names.text(f"int_{ULID}")
    assert names.text(f"{ULID[10:]} = charged") == "<ulid 001.1>.turn = charged"


def test_a_stored_number_is_known_by_the_instant_that_was_shown(names: Names) -> None:
    shown = instant_of(BEGAN_MS + 1_234)
    names.text(shown)
    assert names.text(f"{(BEGAN_MS + 1_234) * 1_000 + 567}") == "<instant 001.1 sent+0s>us"


def test_a_name_of_ones_own_choice(names: Names) -> None:
    names.give(ULID, "organization acme")
    assert names.text(f"org_{ULID}") == "org_<organization acme>"


def test_lines_are_sorted_by_the_parts_that_are_the_same_in_every_run() -> None:
    first, second = Names(BEGAN_MS), Names(BEGAN_MS)
    lines = [f"{ULID} = b", f"{OTHER} = a"]
    others = [f"{ULID} = a", f"{OTHER} = b"]
    assert (
        first.lines(lines) == second.lines(others) == ["<ulid setup.1> = a", "<ulid setup.2> = b"]
    )


def test_a_stored_instant_is_compared_by_its_exact_distance_from_another() -> None:
    begin_us, names = BEGAN_MS * 1_000, Names(BEGAN_MS)
    turn = ULID[10:]
    names.give(ULID, "one")
    lines = names.lines([f"a {turn} = {begin_us + 300_000_000}", f"b {turn} = {begin_us}"])
    assert lines == ["a <one>.turn = <us setup.1>+300s", "b <one>.turn = <us setup.1>"]
    lines = names.lines([f"a {turn} = {begin_us + 300_000_001}", f"b {turn} = {begin_us}"])
    assert lines == ["a <one>.turn = <us setup.2>", "b <one>.turn = <us setup.1>"]


def test_the_same_distance_between_instants_of_other_turns_is_chance() -> None:
    begin_us, names = BEGAN_MS * 1_000, Names(BEGAN_MS)
    other = OTHER[10:]
    lines = names.lines([f"a {other} = {begin_us + 300_000_000}", f"b {ULID[10:]} = {begin_us}"])
    assert lines == ["a <turn setup.1> = <us setup.1>", "b <turn setup.2> = <us setup.2>"]


def test_another_relation_is_another_text() -> None:
    first, second = Names(BEGAN_MS), Names(BEGAN_MS)
    assert first.text(f"{ULID} {ULID}") != second.text(f"{ULID} {OTHER}")
