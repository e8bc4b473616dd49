"""An inbox that is a bucket of any S3-compatible server."""

import base64
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import tenacity

from inspection.errors import AndonError, FixSettings, WaitForOther
from inspection.intake.dropped import CHUNK, Dropped, Listing, by_key, is_hidden, is_left_alone, is_of_system, saved
from inspection.outside.quoted import bare

PATIENCE = 60.0  # seconds after which an object that cannot be read or removed stops the run
PAUSE = 0.2  # seconds before it is asked for again, at first; twice as many each time
TIMEOUT = 10.0  # seconds without a connection, or without a byte
READ_AHEAD = 64 * 2**20  # bytes of objects that wait for their turn
_MD5 = re.compile(r"[0-9a-f]{32}\Z")
_CODE = re.compile(rb"<Code>(\w{1,64})</Code>")
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")  # of which no object can be read before somebody restores it
_ARCHIVED = "it lies in an archive; restore it, and keep the bucket's lifecycle rules off the inbox"
_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
T = TypeVar("T")
_Files = list[Dropped]  # within the class `list` is what it lists


class _Broken(Exception):
    """An answer that did not come, or not whole: no error that a person sees, it is asked for again."""


class Bucket:
    """Objects below a prefix. Server, region and credentials come from the environment, as botocore reads it.

    Botocore signs and sends each request for an object; its client's own calls take twice the processor time. An
    answer that fails, stalls, breaks off or has a wrong checksum is asked for again, for `PATIENCE` and at least three
    times in all.
    """

    def __init__(self, bucket: str, prefix: str, downloads: int) -> None:
        self._prefix = f"{prefix}/" if prefix else ""
        self.uri = f"s3://{bucket}/{self._prefix}"
        self._bucket = bucket
        self._downloads = downloads
        self._connect()
        self._patiently = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Broken),
            wait=tenacity.wait_random_exponential(multiplier=PAUSE, max=5),
            stop=tenacity.stop_after_delay(PATIENCE) & tenacity.stop_after_attempt(3),  # a large one breaks off late
            reraise=True,
        )

    def __reduce__(self) -> tuple[type["Bucket"], tuple[str, str, int]]:
        """Another computer connects by its own credentials."""
        return Bucket, (self._bucket, self._prefix.rstrip("/"), self._downloads)

    def list(self) -> Listing:
        """Objects appear whole, so none is unfinished."""
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            listed = [entry for page in pages for entry in page.get("Contents", ())]
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise (self._refusal(code) if _is_final(status, code) else self._silence("its objects", code)) from None
        except (ConnectionError, HTTPClientError) as error:
            raise self._silence("its objects", type(error).__name__) from None
        except BotoCoreError as error:
            raise FixSettings(f"The inbox {self.uri} cannot be listed: {' '.join(str(error).split())}") from None
        found = [(self._dropped(entry), entry.get("StorageClass") in _ARCHIVES) for entry in listed]
        apart = [(file.key, _ARCHIVED) for file, archived in found if archived and _is_dropped(file.key)]
        files = (file for file, archived in found if not archived and _is_dropped(file.key))
        return Listing(by_key(files), (), tuple(sorted(apart)))

    def contents(self, files: Iterable[Dropped]) -> Iterator[tuple[Dropped, bytes | None]]:
        """Some are on their way at once: twice as many as there are downloads, of `READ_AHEAD` bytes together."""
        ahead: deque[tuple[Dropped, Future[bytes | None]]] = deque()
        held, pool = 0, ThreadPoolExecutor(self._downloads)
        try:
            for file in files:
                while ahead and (len(ahead) >= 2 * self._downloads or held + file.size > READ_AHEAD):
                    first, content = ahead.popleft()
                    held -= first.size
                    yield first, content.result()
                ahead.append((file, pool.submit(self._tried, file, partial(self._get, take=b"".join))))
                held += file.size
            while ahead:
                first, content = ahead.popleft()
                yield first, content.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def fetch(self, file: Dropped, path: Path) -> str | None:
        return self._tried(file, partial(self._get, take=partial(saved, path=path)))

    def remove(self, files: Iterable[Dropped]) -> _Files:
        """Of a bucket with versions exactly the one that was read goes. Elsewhere the server is asked to compare the
        ETag; one that does not (Ceph) loses an object that is written in the milliseconds after it was looked at."""
        wanted, pool = list(files), ThreadPoolExecutor(self._downloads)
        try:
            gone = pool.map(lambda file: self._tried(file, self._remove), wanted)
            return [file for file, done in zip(wanted, gone, strict=True) if not done]
        finally:
            pool.shutdown(cancel_futures=True)

    def _connect(self) -> None:
        """One client for listings and one session, with its connections, for all else."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from botocore.httpsession import URLLib3Session
        from botocore.session import get_session
        from botocore.utils import get_environ_proxies

        patience = {"connect_timeout": TIMEOUT, "read_timeout": TIMEOUT, "retries": {"mode": "standard"}}
        core = get_session()
        try:
            session = boto3.Session(botocore_session=core)
            self._credentials = session.get_credentials()
            self._region = session.region_name or "us-east-1"
            path_style = Config(s3={"addressing_style": "path"}, **patience)
            self._client = session.client("s3", region_name=self._region, config=path_style)
        except (BotoCoreError, ValueError) as error:
            raise FixSettings(f"The inbox {self.uri} cannot be reached: {' '.join(str(error).split())}") from None
        url = self._client.meta.endpoint_url
        self._server, self._base = urlsplit(url).netloc.rpartition("@")[2], f"{url.rstrip('/')}/{self._bucket}/"
        if self._credentials is None:
            raise FixSettings(f"There are no credentials for {self._where()}: {_CREDENTIALS}")
        self._session = URLLib3Session(
            verify=core.get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(url),
            timeout=(TIMEOUT, TIMEOUT),
            max_pool_connections=self._downloads,
        )

    def _dropped(self, entry: dict[str, Any]) -> Dropped:
        modified = entry["LastModified"].astimezone(UTC)
        return Dropped(entry["Key"].removeprefix(self._prefix), entry["Size"], entry["ETag"].strip('"'), modified)

    def _tried(self, file: Dropped, act: Callable[[Dropped], T]) -> T:
        try:
            return self._patiently(act, file)
        except _Broken as error:
            raise self._silence(bare(file.key, 120), str(error)) from None

    def _get(self, file: Dropped, take: Callable[[Iterator[bytes]], T]) -> T | None:
        """What `take` makes of the object's bytes, once; None if they are no longer those that were listed."""
        answer = self._ask("GET", file, {"If-Match": f'"{file.version}"', "x-amz-checksum-mode": "ENABLED"})
        if answer.status_code != 200 or answer.headers.get("ETag", "").strip('"') != file.version:
            answer.raw.close()
            return None
        return take(_whole(answer, file))

    def _remove(self, file: Dropped) -> bool:
        """Whether the object is gone. Looks and deletes as one try, so that no repetition deletes blindly."""
        found = self._ask("HEAD", file)
        if found.status_code == 404:
            return True
        etag, size = found.headers.get("ETag", ""), found.headers.get("Content-Length", "")
        if (etag.strip('"'), size) != (file.version, str(file.size)):
            return False
        if version := found.headers.get("x-amz-version-id"):
            done = self._ask("DELETE", file, query=f"?versionId={quote(version, safe='')}")
        else:
            done = self._ask("DELETE", file, {"If-Match": f'"{file.version}"'})
        return int(done.status_code) != 412

    def _ask(self, method: str, file: Dropped, headers: Mapping[str, str] | None = None, query: str = "") -> Any:
        """The answer to one request; of those that say no only 404 and 412, which the callers expect."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, ConnectionError, HTTPClientError
        from urllib3.exceptions import HTTPError

        url = f"{self._base}{quote(self._prefix + file.key, safe='/-_.~')}{query}"
        request = AWSRequest(method, url, headers=dict(headers or {}), stream_output=method == "GET")
        try:
            S3SigV4Auth(self._credentials.get_frozen_credentials(), "s3", self._region).add_auth(request)
            answer = self._session.send(request.prepare())
            if answer.status_code < 300:
                return answer
            said = _CODE.search(answer.content)
        except (ConnectionError, HTTPClientError, HTTPError) as error:
            raise _Broken(type(error).__name__) from None
        except BotoCoreError as error:
            raise FixSettings(f"{self._where()} cannot be asked: {' '.join(str(error).split())}") from None
        code = said[1].decode() if said else str(answer.status_code)
        if not _is_final(answer.status_code, code):
            raise _Broken(code)
        if answer.status_code not in (404, 412) or code == "NoSuchBucket":
            raise self._refusal(code, f"{method} {bare(file.key, 120)}")
        return answer

    def _where(self) -> str:
        return f"bucket {self._bucket} at {self._server}"

    def _silence(self, what: str, reason: str) -> AndonError:
        remedy = "set AWS_CA_BUNDLE" if reason == "SSLError" else "check the server and the network"
        return WaitForOther(
            f"No usable answer about {what} from {self._where()} ({reason}). Nothing is lost: {remedy}, then run it "
            "again."
        )

    def _refusal(self, code: str, act: str = "LIST") -> AndonError:
        """An answer that no repetition changes, with its remedy."""
        match code:
            case "NoSuchBucket":
                words = f"There is no {self._where()}: create it, or set ingest.inbox in params.yaml."
            case "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken":
                words = f"The credentials for {self._where()} are refused ({code}): {_CREDENTIALS}"
            case "AccessDenied" | "403" | "AllAccessDisabled":
                words = f"{act} is not allowed in {self._where()}: grant s3:ListBucket, s3:GetObject, s3:DeleteObject."
            case "RequestTimeTooSkewed":
                words = f"This computer's clock is far from that of {self._server}: set the clocks."
            case "PermanentRedirect" | "AuthorizationHeaderMalformed" | "301" | "307":
                words = f"{self._where()} is not in region {self._region} ({code}): set AWS_DEFAULT_REGION."
            case _:
                words = f"{act} is refused by {self._where()} ({code}): see the server's manual for this code."
        return FixSettings(words)


def _is_final(status: int, code: str) -> bool:
    """Whether asking again is of no use."""
    return status < 500 and status not in (408, 429) and code != "RequestTimeout"


def _is_dropped(key: str) -> bool:
    """Whether an object is an image or a sheet by its key, and no folder's mark, hidden or unfinished."""
    *folders, name = key.split("/")
    return bool(name) and not (is_left_alone(name) or is_of_system(key) or any(map(is_hidden, folders)))


def _whole(answer: Any, file: Dropped) -> Iterator[bytes]:
    """An object's bytes, of which the end is given only if size and checksum are right."""
    from urllib3.exceptions import HTTPError

    size, (checksum, wanted) = 0, _checksum(answer.headers, file.version)
    try:
        for chunk in answer.raw.stream(CHUNK):
            size += len(chunk)
            if size > file.size:
                break
            checksum.update(chunk)
            yield chunk
    except HTTPError as error:
        raise _Broken(type(error).__name__) from None
    if size != file.size:
        raise _Broken(f"{size} bytes instead of {file.size}")
    if wanted and base64.b64encode(checksum.digest()).decode() != wanted:
        raise _Broken("wrong checksum")


def _checksum(headers: Mapping[str, str], etag: str) -> tuple[Any, str]:
    """A checksum to be fed and what it must be in base64; "" for an object in parts that has none of its own.

    An ETag is the MD5 of what was put in one piece and not encrypted with a key of KMS or of the client.
    """
    from botocore.httpchecksum import Crc32Checksum

    encrypted = headers.get("x-amz-server-side-encryption", "").startswith("aws:")
    if _MD5.match(etag) and not encrypted and "x-amz-server-side-encryption-customer-algorithm" not in headers:
        return hashlib.md5(usedforsecurity=False), base64.b64encode(bytes.fromhex(etag)).decode()
    for name, make in (("crc32", Crc32Checksum), ("sha1", hashlib.sha1), ("sha256", hashlib.sha256)):
        wanted = headers.get(f"x-amz-checksum-{name}", "")
        if wanted and "-" not in wanted:  # "sum-3" is made of the sums of three parts
            return make(), wanted
    return hashlib.sha256(), ""
