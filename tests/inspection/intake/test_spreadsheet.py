"""CSVs as people save them: no line disappears, whatever stands in it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspection.errors import FixInput
from inspection.intake.spreadsheet import FIRST, Refusals, as_key, read, shown

KNOWN = ("key", "label")


@given(st.text('ab,"\n\r\0\x1b =ä', max_size=60))
@example('a,"b\nc,d\ne,f"')
@example('a,b"\n"c,d\ne,f')
@example('"a,b\n"c,d\n')
def test_every_line_that_is_not_empty_is_a_row_or_refused(text: str) -> None:
    found = list(read(f"key,label\n{text}".encode(), KNOWN).lines)
    physical = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    told = [line.number for line in found]
    assert told == sorted(set(told))
    assert {n for n, line in enumerate(physical, start=2) if line.strip('", ')} <= set(told)
    for line in found:
        assert set(line.cells) == (set() if line.wrong else set(KNOWN))
        assert "".join((*line.cells.values(), line.wrong)).isprintable()


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused_in_words(content: bytes) -> None:
    try:
        assert all(line.number for line in read(content, KNOWN).lines)
    except FixInput as error:
        assert str(error).isprintable()


@pytest.mark.parametrize(("path", "key"), [("a\\b\\c.png", "a/b/c.png"), ("./a//b.png", "a/b.png"), ("a.png", "a.png")])
def test_paths_of_windows_name_the_same_file(path: str, key: str) -> None:
    assert as_key(path) == key


def test_what_is_shown_of_a_cell_is_short_and_one_line() -> None:
    assert shown("a\x1b[2J\nb" + "c" * 100) == "'a?[2J b" + "c" * 32 + "…'"


def test_of_many_refusals_the_first_lines_are_told_and_all_are_counted() -> None:
    refused = Refusals()
    for line in [*range(100, 0, -1), *range(101, 200)]:
        refused.add(line, "why")
    assert refused.count == 199 and [line for line, _ in refused.first] == list(range(1, FIRST + 1))
    assert refused.in_words() == "199 of its lines are refused (line 1: why; line 2: why; line 3: why; and 196 more)"
    assert Refusals().in_words() == ""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_told_by_its_name_also_without_a_mark(encoding: str) -> None:
    with pytest.raises(FixInput, match="it is UTF-16"):
        read("key,label\na.png,good\n".encode(encoding), ("key", "label"))
    assert list(read(b"\0\0", ("key",)).lines) == []
