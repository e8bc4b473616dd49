"""Ports for the servers of tests."""

import random
import socket
from pathlib import Path

_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 15000


def free_port() -> int:
    """A port of loopback that nobody listens on, below those that the kernel gives to outgoing connections.

    One that the kernel chooses may be given away again before the server that it was meant for has started.
    """
    first = int(_OUTGOING.read_text().split()[0]) if _OUTGOING.exists() else 49152  # the first dynamic port of RFC 6335
    for port in random.SystemRandom().sample(range(_LOWEST, max(first, _LOWEST + 1000)), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"none of a hundred ports between {_LOWEST} and {first} is free")
