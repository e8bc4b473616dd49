import errno
from collections.abc import Callable

import cv2
import pytest
import torch

from inspection.errors import FixInput, WaitForOther, in_words


def ending(main: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as end:
        in_words(main)
    return end.value.code, capsys.readouterr().err


def raising(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize("kind", [FixInput, WaitForOther])
def test_a_refusal_becomes_one_line_and_exit_code_1(kind: type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(raising(kind("a.png: empty")), capsys) == (1, "a.png: empty\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_becomes_one_line_with_the_file_and_exit_code_1(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words = ending(raising(OSError(number, "no", "/plant/a.png")), capsys)
    assert code == 1 and words.count("\n") == 1 and "full" in words and "/plant/a.png" in words


def test_a_path_that_cannot_be_read_is_one_line_that_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, words = ending(raising(IsADirectoryError(errno.EISDIR, "Is a directory", "/plant/images")), capsys)
    assert code == 1 and words.count("\n") == 1 and "/plant/images" in words and "check the path" in words


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        cv2.error("OpenCV(4.13.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
    ],
)
def test_too_little_memory_is_one_line_with_what_to_lower(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    code, words = ending(raising(error), capsys)
    assert code == 1 and words.count("\n") == 1 and "too little memory" in words and "train.batch_size" in words


def test_a_fault_of_the_program_is_not_hidden() -> None:
    for error in (KeyError("x"), RuntimeError("size mismatch"), OSError(errno.EIO, "broken")):
        with pytest.raises(type(error)):
            in_words(raising(error))


def test_a_main_that_ends_well_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    in_words(lambda: None)
    assert capsys.readouterr() == ("", "")
