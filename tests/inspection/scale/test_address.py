import socket
from pathlib import Path
from typing import Any

import pytest

from inspection.errors import FixSettings, WaitForOther
from inspection.scale.address import FILES, is_here, safe


@pytest.fixture
def pem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Files in the place of certificates, named by the environment."""
    named = {name: str(tmp_path / f"{name}.pem") for name in FILES}
    for name, path in named.items():
        Path(path).write_text("PEM")
        monkeypatch.setenv(name, path)
    return named


def means(monkeypatch: pytest.MonkeyPatch, *numbers: str) -> None:
    """Let every name mean these addresses."""

    def found(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.parametrize(
    ("number", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.7", False),
        ("::ffff:0:127.0.0.1", False),
        ("::", False),
        ("0.0.0.0", False),
        ("10.0.0.7", False),
        ("169.254.1.1", False),
        ("fe80::1%eth0", False),
        ("::2", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_only_loopback_never_leaves_this_computer(number: str, here: bool) -> None:
    assert is_here(number) is here


@pytest.mark.parametrize("given", ["tcp://127.0.0.1:8786", "tcp://[::1]:8786", "tcp://[::ffff:127.0.0.1]:8786"])
def test_a_plain_address_on_this_computer_will_do(given: str) -> None:
    address = safe(given)
    assert not address.is_tls and address.uri.startswith("tcp://") and address.uri.endswith(":8786")


@pytest.mark.parametrize(
    "given",
    [
        "tcp://10.0.0.7:8786",
        "tcp://0.0.0.0:8786",
        "tcp://[::]:8786",
        "tcp://[::ffff:10.0.0.7]:8786",
        "tcp://[fe80::1]:8786",
        "tcp://168427527:8786",
        "tcp://012.0.0.7:8786",
    ],
)
def test_a_plain_address_off_this_computer_is_refused_with_the_reason(given: str) -> None:
    with pytest.raises(FixSettings, match=r"without encryption.*set scale.dask in params.yaml to tls://"):
        safe(given)


def test_a_name_is_refused_if_one_of_its_addresses_leads_away(monkeypatch: pytest.MonkeyPatch) -> None:
    means(monkeypatch, "127.0.0.1", "10.0.0.7")
    with pytest.raises(FixSettings, match=r"leads off this computer \(10.0.0.7\)"):
        safe("tcp://scheduler:8786")


def test_what_was_looked_at_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    means(monkeypatch, "127.0.0.1")
    assert safe("tcp://scheduler:8786").uri == "tcp://127.0.0.1:8786"
    means(monkeypatch, "::1")
    assert safe("tcp://scheduler:8786").uri == "tcp://[::1]:8786"


def test_a_name_that_leads_nowhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(WaitForOther, match="cannot find"):
        safe("tcp://scheduler:8786")


@pytest.mark.parametrize(
    "given",
    [
        *(
            "127.0.0.1:8786",
            "localhost",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:0",
            "tcp://127.0.0.1:70000",
            "tcp://:8786",
        ),
        *("tcp://user@127.0.0.1:8786", "tcp://127.0.0.1:8786/x", "tcp://127.0.0.1:8786,tcp://10.0.0.7:8786", "tls://"),
    ],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(FixSettings, match="is no address of a scheduler"):
        safe(given)


@pytest.mark.parametrize("scheme", ["ws", "wss", "ucx", "inproc", "http", "TCP"])
def test_another_kind_of_connection_is_refused(scheme: str) -> None:
    with pytest.raises(FixSettings, match="of a kind that is not used here"):
        safe(f"{scheme}://127.0.0.1:8786")


def test_tls_takes_certificates_and_then_any_address(pem: dict[str, str]) -> None:
    address = safe("tls://scheduler.plant:8786")
    assert address.is_tls and address.uri == "tls://scheduler.plant:8786"
    assert [address.ca, address.cert, address.key] == list(pem.values())


@pytest.mark.parametrize("name", FILES)
def test_a_certificate_that_is_not_named_or_not_there_is_told(
    pem: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    Path(pem[name]).unlink()
    with pytest.raises(FixSettings, match=rf"{name} names .* cannot be read"):
        safe("tls://scheduler.plant:8786")
    monkeypatch.delenv(name)
    with pytest.raises(FixSettings, match=f"set {name} to the PEM file"):
        safe("tls://scheduler.plant:8786")
