import errno
import json
import pickle
from collections.abc import Callable

import cv2
import pytest
import torch

from inspection.errors import (
    AndonError,
    AskForApproval,
    CheckHistory,
    FetchData,
    FixCommand,
    FixInput,
    FixSettings,
    WaitForOther,
    in_words,
)

EVERY = [AndonError, *AndonError.__subclasses__()]


def ending(main: Callable[[], None], capsys: pytest.CaptureFixture[str], as_json: bool = False) -> tuple[object, str]:
    with pytest.raises(SystemExit) as end:
        in_words(main, as_json)
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


@pytest.mark.parametrize(
    ("words", "wrong", "remedy"),
    [
        ("--to needs --from: say when it was.", "--to needs --from.", "Say when it was."),
        (
            "a.csv cannot be read (so: no use); export it again",
            "a.csv cannot be read (so: no use).",
            "Export it again.",
        ),
        ("l.jsonl: line 3 is no event. Restore it with git.", "l.jsonl: line 3 is no event.", "Restore it with git."),
        ("Nothing is live yet: `andon retrain`.", "Nothing is live yet.", "`andon retrain`."),
        (
            "a.png: label 'x' is not declared; did you mean y? Otherwise declare it: `andon class add x`",
            "a.png: label 'x' is not declared.",
            "Did you mean y? Otherwise declare it: `andon class add x`.",
        ),
        ("The clock goes back: set it. Nothing was touched.", "The clock goes back.", "Set it. Nothing was touched."),
        ("The computer's clock isn't right: set it.", "The computer's clock isn't right.", "Set it."),
        ("--at 'x: run y' is not a time; write it so.", "--at 'x: run y' is not a time.", "Write it so."),
        ("--images 'x': say use or drop.", "--images 'x': say use or drop.", "Say use or drop."),
        ("Say which: --a or --b.", "Say which: --a or --b.", "Say which: --a or --b."),
    ],
)
def test_the_part_that_begins_with_an_order_is_the_remedy(words: str, wrong: str, remedy: str) -> None:
    assert FixInput(words).parts() == (wrong, remedy)


@pytest.mark.parametrize("kind", EVERY)
def test_a_refusal_without_an_order_has_the_remedy_of_its_class(kind: type[AndonError]) -> None:
    words = "No candidate 'v9'; there are: v1.0.0."
    assert kind(words).parts() == (words, kind.usual) and kind.usual.endswith(".")
    assert "usual" in vars(kind) and len({one.usual for one in EVERY}) == len(EVERY)


def test_a_remedy_of_its_own_is_told_behind_the_words_and_survives_a_pickle() -> None:
    error = pickle.loads(pickle.dumps(FixInput("It is: run.", "Run it.")))
    assert (str(error), error.parts()) == ("It is: run. Run it.", ("It is: run.", "Run it."))


@pytest.mark.parametrize(
    ("error", "code", "wrong", "remedy"),
    [
        (FixSettings("p.yaml: `a` is missing; add it."), 1, "p.yaml: `a` is missing.", "Add it."),
        (FixCommand("No such option: --x", "See `andon --help`."), 2, "No such option: --x", "See `andon --help`."),
        (FetchData("2 files did not arrive"), 1, "2 files did not arrive", FetchData.usual),
        (AskForApproval("v1 did not pass the gate."), 1, "v1 did not pass the gate.", AskForApproval.usual),
        (CheckHistory("×.csv: s is in two splits."), 1, "×.csv: s is in two splits.", CheckHistory.usual),
        (
            OSError(errno.ENOSPC, "no", "/plant/a.png"),
            1,
            "The disk is full or may not be written to (/plant/a.png).",
            "Free some space and run it again.",
        ),
        (
            IsADirectoryError(errno.EISDIR, "Is a directory", "/plant"),
            1,
            "Is a directory (/plant).",
            "Check the path and its permissions, then run it again.",
        ),
    ],
)
def test_as_json_a_refusal_is_one_object_with_both_parts(
    error: Exception, code: int, wrong: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, words = ending(raising(error), capsys, as_json=True)
    assert ended == code and words.count("\n") == 1 and words.isascii()
    assert json.loads(words) == {"error": wrong, "remedy": remedy}


def test_as_json_too_little_memory_has_both_parts(capsys: pytest.CaptureFixture[str]) -> None:
    code, words = ending(raising(MemoryError()), capsys, as_json=True)
    told = json.loads(words)
    assert code == 1 and "too little memory" in told["error"] and told["remedy"].startswith("Close other programs")


def test_as_json_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(KeyError):
        in_words(raising(KeyError("x")), as_json=True)


def test_no_refusal_moves_the_cursor_of_who_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise FixInput("The file \x1b[2J\x9b\u202ea\tb\r\nstays: look.")

    assert ending(main, capsys) == (1, "The file ?[2J??a b?\nstays: look.\n")
