"""A throw-away PostgreSQL 15 on loopback, with passwords."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port

BIN = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "s3cret/@:word"
QUOTED = "s3cret%2F%40%3Aword"


@dataclass(frozen=True)
class Postgres:
    """The server of one folder; `url` is that of an empty database."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://andon:{QUOTED}@127.0.0.1:{self.port}/plant"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """At once; who is connected loses the connection."""
        self._run("pg_ctl", "stop", "-w", "-m", "fast")

    def sql(self, words: str, database: str = "plant") -> str:
        """What psql answers the owner of the server."""
        return self._run("psql", "-h", str(self.folder), "-p", str(self.port), "-d", database, "-Atc", words)

    def initialise(self) -> None:
        (self.folder / "password").write_text(PASSWORD)
        shutil.chown(self.folder, "postgres")
        self._run("initdb", "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "-N")
        self.start()
        self.sql(f"CREATE ROLE andon LOGIN PASSWORD '{PASSWORD}'", "postgres")
        self.sql("CREATE DATABASE plant OWNER andon", "postgres")

    def _run(self, program: str, *arguments: str) -> str:
        command = ["runuser", "-u", "postgres", "--", str(BIN / program), *arguments]
        environment = {**os.environ, "PGDATA": str(self.folder / "data"), "PGUSER": "postgres"}
        with (self.folder / "said").open("w+b") as said:  # a pipe would be kept open by the server
            done = subprocess.run(
                command, cwd="/", env=environment, stdout=said, stderr=subprocess.STDOUT, check=False, timeout=60
            )
            said.seek(0)
            words = said.read().decode(errors="replace")
        assert done.returncode == 0, f"{program}: {words[-1000:]}"
        return words.strip()


@contextmanager
def running() -> Iterator[Postgres]:
    """A server with an empty database `plant` of the role `andon`, gone afterwards; skips where it cannot be had."""
    _install()
    folder = Path(tempfile.mkdtemp(prefix="andon-postgres-"))  # pytest's own folders are closed to it
    server = Postgres(folder, free_port())
    try:
        server.initialise()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)


def _install() -> None:
    if os.geteuid() != 0:
        pytest.skip("PostgreSQL is started as another user, which only root can do")
    if (BIN / "initdb").exists():
        return
    if not shutil.which("apt-get"):
        pytest.skip("no PostgreSQL 15, and no apt-get to install it")
    command = [
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=600",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "postgresql-15",
    ]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("installing PostgreSQL took more than five minutes")
    if done.returncode:
        pytest.skip(f"PostgreSQL cannot be installed: {done.stderr.decode(errors='replace')[-200:]}")
