"""The variables for the address, processes and time limits of both servers."""

from pathlib import Path

import pytest
import trustme

from app.serving.web import Web

NUMBERS = {
    "PORT": (0, 65_535),
    "WEB_CONCURRENCY": (1, 256),
    "WEB_THREADS": (1, 32),
    "WEB_KEEPALIVE_S": (0, 60),
    "DRAIN_S": (0, 10),
}
FIELDS = {
    "PORT": "port",
    "WEB_CONCURRENCY": "workers_count",
    "WEB_THREADS": "threads_count",
    "WEB_KEEPALIVE_S": "keepalive_s",
    "DRAIN_S": "drain_s",
}


def test_an_empty_environment_gives_every_default() -> None:
    web = Web.from_environ({})
    assert web == Web("0.0.0.0", 8000, None, 2, 8, 30, 2, None, None)  # noqa: S104 - the default
    assert web.bind == "0.0.0.0:8000"


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_at_either_bound_is_accepted(name: str) -> None:
    for bound in NUMBERS[name]:
        assert getattr(Web.from_environ({name: str(bound)}), FIELDS[name]) == bound


@pytest.mark.parametrize("name", NUMBERS)
def test_a_value_outside_its_bounds_is_refused_with_its_name(name: str) -> None:
    lowest, highest = NUMBERS[name]
    for value in ("x", "1.5", "1 0", "+1", "1_0", "١", str(lowest - 1), str(highest + 1)):
        with pytest.raises(SystemExit) as refused:
            Web.from_environ({name: value})
        line = str(refused.value)
        assert line.startswith(f"{name}={value!r} is refused: ")
        assert f"from {lowest} to {highest}" in line
        assert "\n" not in line


@pytest.mark.parametrize(
    ("host", "address", "bind"),
    [
        ("::", "::", "[::]:8000"),
        ("[::1]", "::1", "[::1]:8000"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1:8000"),
    ],
)
def test_an_address_may_be_in_brackets(host: str, address: str, bind: str) -> None:
    web = Web.from_environ({"HOST": host})
    assert (web.address, web.bind) == (address, bind)


def test_a_name_is_resolved() -> None:
    assert Web.from_environ({"HOST": "localhost"}).address in {"127.0.0.1", "::1"}


def test_a_name_that_cannot_be_resolved_is_refused_with_its_fix() -> None:
    with pytest.raises(SystemExit, match=r"^HOST='nowhere\.invalid' is refused: set an IP address"):
        Web.from_environ({"HOST": "nowhere.invalid"})


def test_a_unix_socket_replaces_address_and_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    web = Web.from_environ({"HOST": "unix:socket"})
    assert (web.address, web.socket_path) == ("", tmp_path / "socket")
    assert web.bind == f"unix:{tmp_path}/socket"


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a certificate and its key."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "own.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    return {
        "WEB_TLS_CERTIFICATE": str(tmp_path / "own.pem"),
        "WEB_TLS_KEY": str(tmp_path / "key.pem"),
    }


def test_a_certificate_needs_its_key(pair: dict[str, str]) -> None:
    web = Web.from_environ(pair)
    assert (str(web.tls_certificate), str(web.tls_key)) == tuple(pair.values())
    for name in pair:
        with pytest.raises(SystemExit, match=f"^{name}='' is refused: set it too, or unset"):
            Web.from_environ(pair | {name: ""})
        with pytest.raises(SystemExit, match=f"^{name} is refused: set a file"):
            Web.from_environ(pair | {name: "/nowhere"})
        with pytest.raises(SystemExit, match=f"^{name} is refused: set a file that can be read$"):
            Web.from_environ(pair | {name: "/"})


def test_a_certificate_with_another_key_is_refused(pair: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(str(other))
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    for wrong in (other, nonsense):
        with pytest.raises(SystemExit, match=r"^WEB_TLS_CERTIFICATE is refused: set a chain"):
            Web.from_environ(pair | {"WEB_TLS_KEY": str(wrong)})


def test_a_key_set_instead_of_its_path_is_not_shown() -> None:
    pem = "-----BEGIN PRIVATE KEY-----MIICANARY-----END PRIVATE KEY-----"
    for name in ("WEB_TLS_KEY", "WEB_TLS_CERTIFICATE"):
        with pytest.raises(SystemExit) as refused:
            Web.from_environ({name: pem})
        assert str(refused.value) == f"{name} is refused: set a file that can be read"
