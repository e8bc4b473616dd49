"""A throw-away Ceph RADOS Gateway: one monitor, one store in memory and an S3 server, on loopback only."""

import os
import shutil
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ports import free_port

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd")
ACCESS, SECRET = "testkey", "testsecret123"
STARTS = 3
CONFIG = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = [v1:127.0.0.1:{monitor}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd class update on start = false
osd crush update on start = false
run dir = {folder}
pid file =
admin socket =
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log
crash dir = {folder}
keyring = {folder}/keyring
mon data = {folder}/mon
osd data = {folder}/osd
mon data avail crit = 1
mon data avail warn = 2
[osd.0]
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw data = {folder}/rgw
debug rgw = 0/0
"""


@dataclass
class Gateway:
    """A running S3 server. What it holds lives in the store, a process of its own."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    store: list[subprocess.Popen[bytes]] = field(default_factory=list)
    access: str = ACCESS
    secret: str = SECRET

    @property
    def pid(self) -> int:
        assert self.process, "the gateway is not running"
        return self.process.pid

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which botocore and DVC find the server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        """Start the server and wait for its first answer."""
        self.process = _start(self.folder, "radosgw", "-n", "client.rgw.a")
        for _ in range(240):
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "radosgw.out").read_text(errors="replace")[-1000:]
                time.sleep(0.25)
        raise AssertionError(f"no gateway at {self.url} after a minute; see {self.folder}")

    def set_up(self) -> None:
        """Monitor, store and server, with the user of the tests."""
        _make_monitor(self.folder)
        self.store.append(_start(self.folder, "ceph-mon", "-i", "a"))
        _make_store(self.folder)
        self.store.append(_start(self.folder, "ceph-osd", "-i", "0"))
        _run(self.folder, "ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost")
        self.start()
        names = ("--uid=test", "--display-name=test", f"--access-key={ACCESS}", f"--secret-key={SECRET}")
        _run(self.folder, "radosgw-admin", "user", "create", *names)

    def end(self) -> None:
        """End the server, also one that a test has stopped, and its store."""
        self.kill()
        for process in reversed(self.store):
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End the server in the middle of whatever it does."""
        if self.process:
            self.process.kill()
            self.process.wait()


def install() -> None:
    """Ceph from Debian's packages, or skip."""
    if all(shutil.which(name) for name in PACKAGES):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("no Ceph, and nobody to install it")
    surroundings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=600", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    try:
        done = subprocess.run(command, env=surroundings, capture_output=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("installing Ceph took more than ten minutes")
    if done.returncode:
        pytest.skip(f"Ceph cannot be installed: {done.stderr.decode(errors='replace')[-200:]}")


@contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """A gateway that keeps its files in `folder`, an empty one, and ends its processes with the block."""
    install()
    server = _started(folder)
    try:
        yield server
    finally:
        server.end()


def _started(folder: Path) -> Gateway:
    """A gateway that answers. One that does not is begun anew beside it: a monitor that lost its port never gets up."""
    last = ""
    for number in range(STARTS):
        part = folder / str(number)
        server = Gateway(_configure(part), part)
        try:
            server.set_up()
            return server
        except (AssertionError, OSError, subprocess.TimeoutExpired) as problem:
            server.end()
            said = [f"{path.name}: {path.read_text(errors='replace')[-500:]}" for path in sorted(part.glob("*.out"))]
            last = "\n".join([str(problem), *said])
    raise AssertionError(f"no gateway after {STARTS} starts: {last}")


def _configure(folder: Path) -> str:
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir(parents=True)
    port = free_port()
    text = CONFIG.format(fsid=uuid.uuid4(), folder=folder, port=port, monitor=free_port())
    (folder / "ceph.conf").write_text(text)
    return f"http://127.0.0.1:{port}"


def _make_monitor(folder: Path) -> None:
    keyring, monmap = str(folder / "keyring"), str(folder / "monmap")
    settings = dict(line.split(" = ") for line in (folder / "ceph.conf").read_text().splitlines() if " = " in line)
    _run(folder, "ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    every = [word for name in ("mon", "osd", "mgr", "mds") for word in ("--cap", name, "allow *")]
    _run(folder, "ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *every)
    _run(folder, "monmaptool", "--create", "--addv", "a", settings["mon host"], "--fsid", settings["fsid"], monmap)
    _run(folder, "ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)


def _make_store(folder: Path) -> None:
    name = str(uuid.uuid4())
    _run(folder, "ceph", "osd", "new", name, tries=20)  # a monitor that has just started knows no commands yet
    _run(folder, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", name)


def _run(folder: Path, program: str, *arguments: str, tries: int = 1) -> None:
    command = [program, "-c", str(folder / "ceph.conf"), *arguments]
    for _ in range(tries):
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.5)
    assert done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')[-1000:]}"


def _start(folder: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / f"{program}.out").open("wb") as out:
        return subprocess.Popen([program, "-f", "-c", str(folder / "ceph.conf"), *arguments], stdout=out, stderr=out)
