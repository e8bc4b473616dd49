"""An inbox in a bucket of a real S3 server: Ceph's gateway."""

import hashlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from inspection.errors import FixSettings, WaitForOther
from inspection.intake import bucket as module
from inspection.intake.bucket import Bucket
from inspection.intake.dropped import Dropped
from tests.services.ceph import Gateway, gateway

pytestmark = pytest.mark.services

NAMES = count()
MANY = 2000


@pytest.fixture(autouse=True)
def surroundings(s3: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def camera(s3: Gateway) -> Any:
    boto3 = pytest.importorskip("boto3")
    words = {"aws_access_key_id": s3.access, "aws_secret_access_key": s3.secret, "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=s3.url, **words)


@pytest.fixture
def bucket(camera: Any) -> str:
    name = f"plant-{next(NAMES)}"
    camera.create_bucket(Bucket=name)
    return name


def upload(camera: Any, bucket: str, count_: int, size: int = 20_000) -> dict[str, bytes]:
    contents = {f"cam-1/{number:05d}.png": os.urandom(size) for number in range(count_)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: camera.put_object(Bucket=bucket, Key=f"in/{key}", Body=contents[key]), contents))
    return contents


def opened(bucket: str, downloads: int = 16) -> Bucket:
    return Bucket(bucket, "in", downloads)


def held(camera: Any, bucket: str) -> dict[str, bytes]:
    found = camera.list_objects_v2(Bucket=bucket).get("Contents", ())
    return {one["Key"]: camera.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


def test_two_thousand_objects_are_listed_read_and_removed(camera: Any, bucket: str) -> None:
    contents = upload(camera, bucket, MANY)
    box, took = opened(bucket), {}

    def timed(what: str, act: Callable[[], Any]) -> Any:
        before = time.perf_counter()
        done = act()
        took[what] = time.perf_counter() - before
        return done

    files = timed("list", box.list).files
    assert timed("read", lambda: {file.key: content for file, content in box.contents(files)}) == contents
    assert timed("remove", lambda: box.remove(files)) == []
    assert box.list().files == ()
    took["in all"] = sum(took.values())
    print(f"\n{MANY} objects:", ", ".join(f"{what} {seconds:.2f} s" for what, seconds in took.items()))


def test_keys_that_are_no_paths_are_read_and_removed_as_they_are(camera: Any, bucket: str) -> None:
    odd = ["../x.png", "a//b.png", "/lead.png", "a/../b.png", "a b+c%20d&e=f?.png", "ü.png", "x\ny.png", "./x.png"]
    for key in odd:
        camera.put_object(Bucket=bucket, Key=f"in/{key}", Body=key.encode())
    box = opened(bucket)
    files = box.list().files
    assert {file.key: content for file, content in box.contents(files)} == {key: key.encode() for key in odd}
    assert box.remove(files) == [] and held(camera, bucket) == {}


def test_an_object_in_parts_is_read_and_removed(camera: Any, bucket: str, tmp_path: Path) -> None:
    content = os.urandom(12 * 2**20)
    (tmp_path / "large").write_bytes(content)
    camera.upload_file(str(tmp_path / "large"), bucket, "in/large.png")
    box = opened(bucket)
    [file] = box.list().files
    assert file.version.endswith("-2")
    assert [got for _, got in box.contents([file])] == [content]
    assert box.fetch(file, tmp_path / "copy") == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "copy").read_bytes() == content
    assert box.remove([file]) == [] and held(camera, bucket) == {}


def test_a_wrong_secret_is_told_at_once(s3: Gateway, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "guessedsecret")
    before = time.perf_counter()
    with pytest.raises(FixSettings, match=rf"credentials for bucket {bucket} at 127.*SignatureDoesNotMatch") as refusal:
        opened(bucket).list()
    assert time.perf_counter() - before < 5
    assert "guessedsecret" not in str(refusal.value)


def test_an_unknown_key_and_a_missing_bucket_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FixSettings, match=r"no bucket nowhere at 127.*create it, or set ingest\.inbox"):
        opened("nowhere").list()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(FixSettings, match="InvalidAccessKeyId"):
        opened("nowhere").list()


def test_what_may_be_read_but_not_deleted_is_told_at_once(camera: Any, bucket: str) -> None:
    upload(camera, bucket, 3)
    box = opened(bucket)
    files = box.list().files
    denial = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject",' + (
        f'"Resource":"arn:aws:s3:::{bucket}/*"}}]}}'
    )
    camera.put_bucket_policy(Bucket=bucket, Policy=denial)
    with pytest.raises(FixSettings, match=rf"DELETE cam-1/0000\d\.png is not allowed in bucket {bucket}"):
        box.remove(files)
    assert len(held(camera, bucket)) == 3


def test_a_name_that_is_used_again_between_reading_and_removing_survives(camera: Any, bucket: str) -> None:
    upload(camera, bucket, 3)
    box = opened(bucket)
    files = box.list().files
    camera.put_object(Bucket=bucket, Key="in/cam-1/00001.png", Body=b"another part")
    assert [content is None for _, content in box.contents(files)] == [False, True, False]
    assert box.remove(files) == [files[1]]
    assert held(camera, bucket) == {"in/cam-1/00001.png": b"another part"}


def test_of_a_bucket_with_versions_exactly_the_one_that_was_read_goes(
    camera: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    upload(camera, bucket, 2)
    box = opened(bucket)
    files, ask = box.list().files, box._ask

    def camera_is_quick(method: str, file: Dropped, *arguments: Any, **more: Any) -> Any:
        if method == "DELETE" and file == files[0]:
            camera.put_object(Bucket=bucket, Key=f"in/{file.key}", Body=b"another part")
        return ask(method, file, *arguments, **more)

    monkeypatch.setattr(box, "_ask", camera_is_quick)
    assert box.remove(files) == []
    assert held(camera, bucket) == {"in/cam-1/00000.png": b"another part"}
    assert len(camera.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_a_gateway_that_stands_still_for_a_while_costs_only_the_while(
    camera: Any, bucket: str, s3: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 1.0)
    contents = upload(camera, bucket, 200)
    box = opened(bucket)
    files = box.list().files
    got = {}
    for number, (file, content) in enumerate(box.contents(files)):
        got[file.key] = content
        if number == 20:
            os.kill(s3.pid, signal.SIGSTOP)
            threading.Timer(4, os.kill, (s3.pid, signal.SIGCONT)).start()
    assert got == contents
    os.kill(s3.pid, signal.SIGSTOP)
    threading.Timer(4, os.kill, (s3.pid, signal.SIGCONT)).start()
    assert box.remove(files) == [] and held(camera, bucket) == {}


@pytest.fixture
def own() -> Iterator[Gateway]:
    """A gateway that a test may kill."""
    folder = Path(tempfile.mkdtemp(prefix="andon-ceph-"))
    with gateway(folder) as running:
        yield running
    shutil.rmtree(folder)


@pytest.mark.slow
def test_a_gateway_that_is_killed_and_started_again_loses_nothing(
    own: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3 = pytest.importorskip("boto3")
    for name, value in own.environment.items():
        monkeypatch.setenv(name, value)
    camera = boto3.client("s3")
    camera.create_bucket(Bucket="plant")
    contents = upload(camera, "plant", 200)
    box = opened("plant")
    files, got = box.list().files, {}
    for number, (file, content) in enumerate(box.contents(files)):
        got[file.key] = content
        if number == 20:
            own.kill()
            threading.Timer(3, own.start).start()
    assert got == contents
    own.kill()
    monkeypatch.setattr(module, "PATIENCE", 1.0)
    with pytest.raises(WaitForOther, match="Nothing is lost"):
        opened("plant").remove(files[:1])
    own.start()
    assert opened("plant").remove(files) == [] and held(camera, "plant") == {}
