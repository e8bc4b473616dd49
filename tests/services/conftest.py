"""The servers that several of these tests use."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.ceph import Gateway, gateway


@pytest.fixture(scope="session")
def s3() -> Iterator[Gateway]:
    """A running Ceph gateway; `s3.environment` is what a test sets to use it."""
    folder = Path(tempfile.mkdtemp(prefix="andon-ceph-"))
    try:
        with gateway(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)
