"""A bucket, on a server in this process, through a line that breaks on demand."""

import base64
import contextlib
import hashlib
import http.client
import pickle
import random
import threading
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import create_loader

from inspection import clock
from inspection.errors import FixInput, FixSettings, WaitForOther
from inspection.intake import bucket as module
from inspection.intake.bucket import Bucket
from inspection.intake.dropped import Dropped
from inspection.intake.inbox import Inbox, open_inbox
from inspection.intake.naming import named
from tests.inspection.intake.test_inbox import SETTINGS, read
from tests.inspection.world import CAMERAS, KEYS

NAMES = count()
LOADER = create_loader()  # of what botocore knows of S3, which takes longer to read than a test


class Line(ThreadingHTTPServer):
    """Hands requests on to the server at `port`; the next one of a method suffers what `faults` says."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = port
        self.faults: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.headers: dict[str, str] = {}  # that take the place of the server's

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up here, as they must."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Line

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = "LIST" if "list-type" in self.path else self.command
        with self.server.lock:
            self.server.asked.append(kind)
            waiting = self.server.faults.get(kind)
            fault = waiting.pop(0) if waiting else ""
        if fault == "cut":
            self.close_connection = True
        elif fault == "html":
            self.answer(200, {}, b"<!doctype html><p>Welcome")
        elif fault.isdigit():
            code = "SignatureDoesNotMatch" if fault == "403" else "SlowDown"
            self.answer(int(fault), {}, f"<Error><Code>{code}</Code></Error>".encode())
        else:
            if fault == "stall":
                self.server.over.wait(5)
            self.hand_on(body, fault)

    def hand_on(self, body: bytes, fault: str) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.port)
        upstream.request(self.command, self.path, body, dict(self.headers))
        got = upstream.getresponse()
        content = got.read()
        upstream.close()
        if fault == "unheard":  # it is done, but nobody learns of it
            self.close_connection = True
        else:
            self.answer(got.status, dict(got.getheaders()), content, fault)

    def answer(self, status: int, headers: dict[str, str], body: bytes, fault: str = "") -> None:
        if fault == "wrong":
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault == "short":
            body = body[:-1]
        self.send_response_only(status)
        length = (
            str(len(body))
            if self.command != "HEAD"
            else headers.get("Content-Length", headers.get("content-length", "0"))
        )
        for name, value in {**headers, **self.server.headers}.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding") and value:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if fault == "truncate" else body)
        self.close_connection = self.close_connection or fault == "truncate"

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of an S3 server in this process."""
    moto = pytest.importorskip("moto.server")
    with contextlib.redirect_stdout(None):
        running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
    yield running.get_host_and_port()[1]
    running.stop()


@pytest.fixture
def line(server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to the server, which the environment leads to."""
    running = Line(server)
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{running.server_port}",
        "AWS_ACCESS_KEY_ID": "andon",
        "AWS_SECRET_ACCESS_KEY": "verysecret",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("botocore.session.create_loader", lambda _: LOADER)
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(module, "PATIENCE", 4.0)
    yield running
    running.over.set()
    running.shutdown()
    running.server_close()


@pytest.fixture(scope="module")
def camera(server: int) -> Any:
    """A camera's own way to the server."""
    boto3 = pytest.importorskip("boto3")
    words = {"aws_access_key_id": "camera", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server}", **words)


@pytest.fixture
def s3(line: Line, camera: Any) -> Any:
    """The camera's way, where the environment leads to the line."""
    return camera


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"plant-{next(NAMES)}"
    s3.create_bucket(Bucket=name)
    return name


def upload(s3: Any, bucket: str, **contents: bytes) -> None:
    for key, content in contents.items():
        s3.put_object(Bucket=bucket, Key=f"in/{key}.png", Body=content)


def upload_in_parts(s3: Any, bucket: str, key: str, content: bytes) -> None:
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=content)
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload=parts)


def held(s3: Any, bucket: str) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


def opened(bucket: str, tmp_path: Path) -> Inbox:
    return open_inbox(f"s3://{bucket}/in", tmp_path, SETTINGS)


def test_objects_below_the_prefix_are_listed_by_key_and_read(s3: Any, bucket: str, tmp_path: Path) -> None:
    for key in (
        "in/b.png",
        "in/a/1.png",
        "in",
        "inbox/no.png",
        "in/",
        "in/a/",
        "in/a/.hid.png",
        "in/.h/x.png",
        "in/c.PART",
    ):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    box = opened(bucket, tmp_path)
    assert box.uri == f"s3://{bucket}/in/"
    assert read(box) == {"a/1.png": b"in/a/1.png", "b.png": b"in/b.png"}
    first = box.list().files[0]
    assert (first.size, first.version) == (10, hashlib.md5(b"in/a/1.png").hexdigest())
    assert first.modified.tzinfo is UTC and abs(clock.machine() - first.modified) < timedelta(minutes=1)
    assert box.list().unfinished == ()


def test_a_whole_bucket_is_an_inbox_too(s3: Any, bucket: str, tmp_path: Path) -> None:
    s3.put_object(Bucket=bucket, Key="a.png", Body=b"x")
    assert read(open_inbox(f"s3://{bucket}", tmp_path, SETTINGS)) == {"a.png": b"x"}


def test_an_object_in_an_archive_is_told_and_keeps_no_other_waiting(s3: Any, bucket: str, tmp_path: Path) -> None:
    s3.put_object(Bucket=bucket, Key="in/a.png", Body=b"x")
    s3.put_object(Bucket=bucket, Key="in/old.png", Body=b"y", StorageClass="GLACIER")
    listing = opened(bucket, tmp_path).list()
    assert [file.key for file in listing.files] == ["a.png"]
    ((key, why),) = listing.apart
    assert key == "old.png" and "restore it" in why


def test_keys_that_are_no_paths_come_through_for_naming_to_refuse(s3: Any, bucket: str, tmp_path: Path) -> None:
    odd = ["../x.png", "a//b.png", "/lead.png", "a/../b.png", "a b+c%20d&e=f?.png", "ü.png", "./x.png"]
    for key in odd:
        s3.put_object(Bucket=bucket, Key=f"in/{key}", Body=key.encode())
    box = opened(bucket, tmp_path)
    assert read(box) == {key: key.encode() for key in odd}
    for key in odd:
        with pytest.raises(FixInput):
            named(key, KEYS, CAMERAS, None)
    assert box.remove(box.list().files) == [] and held(s3, bucket) == {}


def test_what_is_read_ahead_is_bounded_and_in_order(
    s3: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: Line
) -> None:
    upload(s3, bucket, **{f"{number:02d}": bytes([number]) * 10 for number in range(30)})
    box = opened(bucket, tmp_path)
    files = box.list().files
    assert [content for _, content in box.contents(files)] == [bytes([number]) * 10 for number in range(30)]
    monkeypatch.setattr(module, "READ_AHEAD", 35)
    line.asked.clear()
    some = box.contents(files)
    next(some)
    time.sleep(0.1)
    assert line.asked.count("GET") <= 4
    some.close()


@pytest.mark.parametrize("fault", ["500", "503", "429", "cut", "stall", "truncate", "wrong", "short"])
def test_an_answer_that_fails_stalls_breaks_off_or_lies_is_asked_for_again(
    s3: Any, bucket: str, tmp_path: Path, line: Line, fault: str
) -> None:
    content = random.Random(1).randbytes(300_000)
    upload(s3, bucket, a=content, b=b"b")
    box = opened(bucket, tmp_path)
    files = box.list().files
    line.faults["GET"] = [fault, fault]
    assert [got for _, got in box.contents(files)] == [content, b"b"]
    line.faults["GET"] = [fault]
    assert box.fetch(files[0], tmp_path / "copy") == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "copy").read_bytes() == content
    line.faults = {"HEAD": [fault] if fault not in ("wrong", "short", "truncate") else [], "DELETE": ["503", "cut"]}
    assert box.remove(files) == [] and held(s3, bucket) == {}


@pytest.mark.parametrize("fault", ["500", "wrong", "cut"])
def test_patience_with_an_object_ends_in_words_that_name_it(
    s3: Any, bucket: str, tmp_path: Path, line: Line, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    upload(s3, bucket, a=b"abc")
    box = opened(bucket, tmp_path)
    line.faults["GET"] = [fault] * 1000
    with pytest.raises(
        WaitForOther, match=rf"No usable answer about a\.png from bucket {bucket} at 127.*Nothing is lost"
    ):
        read(box)
    with pytest.raises(WaitForOther):
        box.fetch(box.list().files[0], tmp_path / "copy")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["crc32", "sha1", "sha256"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_an_object_whose_etag_is_no_md5_is_checked_by_the_checksum_it_has(
    s3: Any, bucket: str, tmp_path: Path, line: Line, kind: str, encrypted: bool
) -> None:
    content = random.Random(2).randbytes(1000)
    sums = {
        "crc32": zlib.crc32(content).to_bytes(4, "big"),
        "sha1": hashlib.sha1(content).digest(),
        "sha256": hashlib.sha256(content).digest(),
    }
    if encrypted:
        upload(s3, bucket, a=content)
        line.headers["x-amz-server-side-encryption"] = "aws:kms"
    else:
        upload_in_parts(s3, bucket, "in/a.png", content)
    line.headers |= {f"x-amz-checksum-{name}": "" for name in sums}  # moto's own
    line.headers[f"x-amz-checksum-{kind}"] = base64.b64encode(sums[kind]).decode()
    line.faults["GET"] = ["wrong"]
    assert read(opened(bucket, tmp_path)) == {"a.png": content}
    assert line.asked.count("GET") == 2


def test_an_object_in_parts_without_a_checksum_of_its_own_is_taken_by_its_size(
    s3: Any, bucket: str, tmp_path: Path, line: Line
) -> None:
    upload_in_parts(s3, bucket, "in/a.png", b"abc")
    line.headers = {"x-amz-checksum-crc32": "NSRBwg==-1"}
    line.faults["GET"] = ["short"]
    assert read(opened(bucket, tmp_path)) == {"a.png": b"abc"}


def test_what_is_gone_or_written_anew_is_left_to_the_next_run(s3: Any, bucket: str, tmp_path: Path) -> None:
    upload(s3, bucket, a=b"a", b=b"b", c=b"c")
    box = opened(bucket, tmp_path)
    files = box.list().files
    s3.delete_object(Bucket=bucket, Key="in/a.png")
    upload(s3, bucket, b=b"B")
    assert [content for _, content in box.contents(files)] == [None, None, b"c"]
    assert box.fetch(files[1], tmp_path / "copy") is None
    assert not list(tmp_path.iterdir())
    assert box.remove(files) == [files[1]]
    assert held(s3, bucket) == {"in/b.png": b"B"}


def test_a_name_that_is_used_again_while_it_is_removed_survives(
    s3: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(s3, bucket, a=b"a")
    box = opened(bucket, tmp_path)
    assert isinstance(box, Bucket)
    files, ask = box.list().files, box._ask

    def camera_is_quick(method: str, *arguments: Any, **more: Any) -> Any:
        if method == "DELETE":
            upload(s3, bucket, a=b"A")
        return ask(method, *arguments, **more)

    monkeypatch.setattr(box, "_ask", camera_is_quick)
    assert box.remove(files) == list(files)
    assert held(s3, bucket) == {"in/a.png": b"A"}


def test_a_removal_nobody_heard_of_does_not_remove_what_came_after(
    s3: Any, bucket: str, tmp_path: Path, line: Line
) -> None:
    upload(s3, bucket, a=b"a")
    box = opened(bucket, tmp_path)
    files = box.list().files
    line.faults["DELETE"] = ["unheard"]
    assert box.remove(files) == []
    assert line.asked.count("HEAD") == 2  # it is looked at again before anything is deleted again


def test_of_a_bucket_with_versions_the_one_that_was_read_goes(
    s3: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    upload(s3, bucket, a=b"a", b=b"b")
    box = opened(bucket, tmp_path)
    assert isinstance(box, Bucket)
    files, ask = box.list().files, box._ask

    def camera_is_quick(method: str, file: Dropped, *arguments: Any, **more: Any) -> Any:
        if method == "DELETE" and file.key == "a.png":
            upload(s3, bucket, a=b"A")
        return ask(method, file, *arguments, **more)

    monkeypatch.setattr(box, "_ask", camera_is_quick)
    assert box.remove(files) == []
    assert held(s3, bucket) == {"in/a.png": b"A"}
    versions = s3.list_object_versions(Bucket=bucket)
    assert len(versions["Versions"]) == 1 and "DeleteMarkers" not in versions


def test_a_missing_bucket_is_named_at_once(line: Line, tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match=r"no bucket nowhere at 127\.0\.0\.1:\d+: create it, or set ingest\.inbox"):
        opened("nowhere", tmp_path).list()
    assert line.asked == ["LIST"]


def test_refused_credentials_are_told_at_once_without_the_secret(
    s3: Any, bucket: str, tmp_path: Path, line: Line
) -> None:
    upload(s3, bucket, a=b"a")
    box = opened(bucket, tmp_path)
    files = box.list().files
    line.faults = {kind: ["403"] for kind in ("LIST", "GET", "HEAD")}
    for act in (box.list, lambda: list(box.contents(files)), lambda: box.remove(files)):
        line.asked.clear()
        with pytest.raises(FixSettings, match=rf"bucket {bucket} at 127.*(set AWS_ACCESS_KEY_ID|grant s3:)") as refusal:
            act()
        assert "verysecret" not in str(refusal.value)
        assert len(line.asked) == 1


def test_no_credentials_are_told_at_once(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(FixSettings, match=r"no credentials for bucket b-1 at 127.*set AWS_ACCESS_KEY_ID"):
        opened("b-1", tmp_path)


@pytest.mark.parametrize(("name", "value"), [("AWS_ENDPOINT_URL", "not a url"), ("AWS_PROFILE", "nobody")])
def test_an_environment_that_cannot_be_is_refused_in_words(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(FixSettings, match=r"s3://b-1/in/ cannot be reached"):
        opened("b-1", tmp_path)


def test_a_server_of_another_kind_is_named(line: Line, tmp_path: Path) -> None:
    line.faults["LIST"] = ["html"] * 9
    with pytest.raises(WaitForOther, match=r"No usable answer .* from bucket b-1 at 127.*check the server"):
        opened("b-1", tmp_path).list()


def test_a_bucket_s_name_that_cannot_be_is_refused_in_words(line: Line, tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match=r"cannot be listed: .*[Ii]nvalid bucket name"):
        opened("B_AD!", tmp_path).list()


def test_a_server_that_is_not_there_is_named(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:verysecret@127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(WaitForOther, match=r"about its objects from bucket b-1 at 127\.0\.0\.1:9 ") as refusal:
        opened("b-1", tmp_path).list()
    assert "verysecret" not in str(refusal.value)


def test_a_bucket_goes_to_another_computer_as_its_address_which_connects_by_its_own_credentials(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    for prefix, uri in (("line-a/in", "s3://plant/line-a/in/"), ("", "s3://plant/")):
        sent = pickle.dumps(Bucket("plant", prefix, 3))
        assert b"verysecret" not in sent and b"127.0.0.1" not in sent
        with monkeypatch.context() as there:
            there.setenv("AWS_ACCESS_KEY_ID", "worker")
            there.setenv("AWS_SECRET_ACCESS_KEY", "its own")
            came = pickle.loads(sent)
        assert (came.uri, came._downloads, came._credentials.access_key) == (uri, 3, "worker")
