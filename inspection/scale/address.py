"""Where a cluster is. Off this computer only TLS will do: a scheduler runs whatever anybody sends it."""

import os
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from inspection.errors import FixSettings, WaitForOther

FILES = {  # PEM files, in the environment
    "ANDON_DASK_CA": "of the authority that signs this cluster's certificates and no others",
    "ANDON_DASK_CERT": "of this computer's certificate",
    "ANDON_DASK_KEY": "of its key",
}
_FORM = re.compile(r"(?P<scheme>\w+)://(?P<host>\[[^\[\]@/]+\]|[^\[\]:@/?#\s]+):(?P<port>\d{1,5})")
_HOW = "set scale.dask in params.yaml to tls://HOST:PORT"


@dataclass(frozen=True)
class Address:
    """Of a scheduler, as it may be connected to: `uri` names no host by name unless TLS proves who answers.

    Attributes:
        ca, cert, key: PEM files; "" on this computer without TLS.
    """

    uri: str
    ca: str = ""
    cert: str = ""
    key: str = ""

    @property
    def is_tls(self) -> bool:
        return bool(self.ca)


def safe(given: str) -> Address:
    """The scheduler's address, if it is one that may be connected to.

    Raises:
        FixSettings: no address, plain and off this computer, or TLS without certificates. WaitForOther: its name leads
            nowhere at the moment.
    """
    found = _FORM.fullmatch(given.strip())
    if found is None or not 0 < int(found["port"]) < 2**16:
        raise FixSettings(f"scale.dask {given!r} is no address of a scheduler: {_HOW}.")
    host, port = found["host"].strip("[]"), int(found["port"])
    if found["scheme"] == "tls":
        return Address(given.strip(), *_certificates())
    if found["scheme"] != "tcp":
        raise FixSettings(f"scale.dask {given!r} is of a kind that is not used here ({found['scheme']}): {_HOW}.")
    numbers = _numbers(host, port)
    if off := next((one for one in numbers if not is_here(one)), None):
        raise FixSettings(
            f"scale.dask {given!r} leads off this computer ({off}) without encryption, and whoever reaches a scheduler "
            f"makes it run any program: {_HOW}, with certificates (docs/production.md)."
        )
    number = numbers[0]  # what was looked at is what is connected to, whatever the name means next
    return Address(f"tcp://[{number}]:{port}" if ":" in number else f"tcp://{number}:{port}")


def is_here(number: str) -> bool:
    """Whether a numeric address never leaves this computer; one of IPv4 inside one of IPv6 counts as itself."""
    found = ip_address(number)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback and not getattr(found, "scope_id", None)


def _numbers(host: str, port: int) -> list[str]:
    """All numeric addresses that a name means, as the system resolves it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WaitForOther(
            f"scale.dask names {host}, which this computer cannot find ({error}): check the name and the network."
        ) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _certificates() -> tuple[str, str, str]:
    paths = {name: os.environ.get(name, "") for name in FILES}
    for name, path in paths.items():
        if not path:
            raise FixSettings(f"tls:// takes certificates: set {name} to the PEM file {FILES[name]}.")
        if not Path(path).is_file() or not os.access(path, os.R_OK):
            raise FixSettings(f"{name} names {path}, which cannot be read: set it to the PEM file {FILES[name]}.")
    ca, cert, key = paths.values()
    return ca, cert, key
