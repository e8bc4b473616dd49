"""Keeping freed memory, in processes of their own: it lasts as long as they do."""

import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from inspection.memory import keep_freed
{first}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    for _ in range(9):
        torch.ones(10_000_000)  # 40 MB, more than glibc learns to keep
work()
before = faults()
work()
print(faults() - before)
"""


def page_faults(first: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(first=first)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="freed blocks are kept by glibc")
def test_freed_blocks_are_not_fetched_from_the_kernel_again() -> None:
    assert page_faults("keep_freed()") < page_faults("") / 10
