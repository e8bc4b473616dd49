from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspection.errors import FixInput
from inspection.intake.dropped import Dropped
from inspection.intake.sidecar import MOST_BYTES, MOST_ROWS, Sheet, Sidecars, is_sheet, read, settled, without_image

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def sheet(text: str | bytes, key: str = "today.csv") -> Sheet:
    content = text.encode() if isinstance(text, str) else text
    return read(Dropped(key, len(content), "1", NOON), content)


def refused(text: str | bytes) -> str:
    with pytest.raises(FixInput) as refusal:
        sheet(text)
    return str(refusal.value)


def said(key: str, *sheets: Sheet) -> dict[str, str] | None:
    row = Sidecars(sheets).row(key)
    return dict(row.fields) if row else None


def test_known_columns_are_read_and_others_left_alone() -> None:
    read_ = sheet("operator,file,part,torque,serial\nIns,a.png,bracket,7,s-1\nIns,b.png,, 8 ,s-2\n")
    assert said("a.png", read_) == {"part": "bracket", "serial": "s-1"}
    assert said("b.png", read_) == {"serial": "s-2"}
    assert said("c.png", read_) is None


def test_a_row_knows_its_place_also_after_a_cell_of_several_lines() -> None:
    row = Sidecars([sheet('file,note,part\na.png,"two\nlines",x\nb.png,,y\n', "l/t.csv")]).row("l/b.png")
    assert row is not None and row.place == "l/t.csv, line 4"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_spreadsheets_save_is_read(between: str, end: str, mark: str) -> None:
    lines = ["File", "Part", "note"], ['"a.png"', "bracket", '"a,b;c\td"'], ["", "", ""], []
    text = mark + end.join(between.join(cells) for cells in lines)
    assert said("a.png", sheet(text)) == {"part": "bracket"}


def test_a_file_is_named_from_the_sheet_s_folder_or_from_the_inbox() -> None:
    below = sheet("file,serial\n1.png,s-1\ncam-1/2.png,s-2\n./sub/3.png,s-3\nsub\\4.png,s-4\n", "cam-1/today.csv")
    for key, serial in {
        "cam-1/1.png": "s-1",
        "cam-1/2.png": "s-2",
        "cam-1/sub/3.png": "s-3",
        "cam-1/sub/4.png": "s-4",
    }.items():
        assert said(key, below) == {"serial": serial}
    assert said("1.jpg", below) is None and said("cam-1/1", below) is None


def test_a_sheet_above_an_image_goes_before_one_elsewhere() -> None:
    elsewhere, above = sheet("file,serial\n1.png,s-1\n", "cam-1/t.csv"), sheet("file,serial\n1.png,s-2\n", "t.csv")
    assert said("1.png", elsewhere, above) == {"serial": "s-2"}
    assert said("1.png", elsewhere) == {"serial": "s-1"}
    assert said("cam-1/1.png", elsewhere, above) == {"serial": "s-1"}


def test_rows_that_disagree_are_refused_with_both_values_and_places() -> None:
    one, two = sheet("file,serial\na.png,s-1\n", "1.csv"), sheet("file,serial\n\na.png,s-2\n", "2.csv")
    with pytest.raises(FixInput, match=r"serial is s-1 in 1\.csv, line 2 but s-2 in 2\.csv, line 3; correct one"):
        Sidecars([one, two]).row("a.png")
    twice = sheet("file,serial,part\na.png,s-1,x\na.png,s-1,\n")
    with pytest.raises(FixInput, match=r"part is x in today\.csv, line 2 but nothing in today\.csv, line 3"):
        Sidecars([twice]).row("a.png")


def test_a_cell_cannot_write_on_the_terminal_of_who_reads_why() -> None:
    for odd in ("\x1b[2J", "\x9b2J", "\u202e"):
        read_ = sheet(f"file,serial\na.png,s{odd}x\nb.png,y\n")
        assert said("a.png", read_) is None and said("b.png", read_) == {"serial": "y"}
        ((line, words),) = read_.refused.first
        assert line == 2 and f"(U+{ord(odd[0]):04X})" in words and words.isprintable()


def test_equal_rows_are_one() -> None:
    one, two = sheet("file,serial\na.png,s-1\na.png,s-1\n", "1.csv"), sheet("serial;file\ns-1;a.png\n", "2.csv")
    assert said("a.png", one, two) == {"serial": "s-1"}


def test_an_image_is_known_even_while_its_rows_disagree() -> None:
    sheets = Sidecars([sheet("file,serial\na.png,s-1\na.png,s-2\n")])
    assert sheets.knows("a.png") and not sheets.knows("b.png")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column `file` (it is empty)"),
        ("name,part\na.png,x\n", "no column `file` (name, part)"),
        ("file,part,Part\n", "two columns part"),
        ("file,part\n".encode("utf-16"), "not UTF-8"),
        (b" " * (MOST_BYTES + 1), "64 MB); split it"),
        ("file\n" + "a\n" * (MOST_ROWS + 1), "it has more than 200,000 lines; split it"),
    ],
)
def test_what_is_no_such_csv_is_refused_with_the_remedy(text: str | bytes, words: str) -> None:
    assert words in refused(text)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("b.png,x,y", "it has 3 cells, but the first line names 2 columns"),
        ("b.png", "it has 1 cells, but the first line names 2 columns"),
        ('b.png,"y', "a quote opens in it"),
        ('b.png,x"y', "it holds a stray quote"),
        ("b.png," + "x" * 200_000, "it has more than 100,000 characters"),
        ("b\0.png,x", "it holds a NUL character"),
        (",x", "it names no file"),
    ],
)
def test_a_line_of_which_nothing_can_be_made_is_refused_alone(line: str, words: str) -> None:
    read_ = sheet(f"file,part\na.png,x\n{line}\nc.png,z\n")
    assert said("a.png", read_) == {"part": "x"} and said("c.png", read_) == {"part": "z"}
    assert said("b.png", read_) is None
    assert read_.refused.count == 1 and f"line 3: {words}" in read_.refused.in_words()


def test_windows_1252_is_taken_with_a_word() -> None:
    read_ = sheet("file,part\na.png,Gehäuse\n".encode("cp1252"))
    assert said("a.png", read_) == {"part": "Gehäuse"} and "Windows-1252" in read_.words[0]
    assert sheet("file,part\na.png,Gehäuse\n").words == ()


@given(
    st.one_of(
        st.binary(max_size=200), st.text('file,;\t"\n\r\0=a./\\', max_size=80).map(lambda t: f"file,part\n{t}".encode())
    )
)
@example(b"file\n\0\n")
@example(b"file,part\n=HYPERLINK(1),=1+1\n../../x,y\n/etc/passwd,z\n")
def test_any_bytes_are_a_sheet_or_are_refused_in_words(content: bytes) -> None:
    try:
        assert all(rows for rows in sheet(content).rows.values())
    except FixInput as error:
        assert str(error)


def test_a_hundred_thousand_rows_for_one_image_do_not_take_for_ever() -> None:
    many = sheet("file,part\n" + "a.png,x\n" * 100_000)
    assert said("a.png", many) == {"part": "x"}


@pytest.mark.parametrize(
    ("mask", "key", "is_one"),
    [
        ("*.csv", "cam-1/today.csv", True),
        ("*.csv", "TODAY.CSV", True),
        ("*.csv", "today.csv/a.png", False),
        ("line-?.csv", "line-1.csv", True),
        ("line-?.csv", "labels.csv", False),
        ("", "today.csv", False),
    ],
)
def test_a_mask_picks_the_sheets_by_the_last_step_of_their_key(mask: str, key: str, is_one: bool) -> None:
    assert is_sheet(key, mask) is is_one


@pytest.mark.parametrize(
    ("taken", "age", "leaves"),
    [
        ({"cam-1/1.png", "cam-1/2.png"}, timedelta(0), True),
        ({"cam-1/1.png", "2.png"}, timedelta(0), True),
        ({"cam-1/1.png"}, timedelta(0), False),
        (set(), HOUR - timedelta(seconds=1), False),
        (set(), HOUR, True),
    ],
)
def test_a_sheet_leaves_with_the_last_image_that_it_names_or_when_it_is_old(
    taken: set[str], age: timedelta, leaves: bool
) -> None:
    names_two = sheet("file,serial\n1.png,s-1\n2.png,s-2\n2.png,s-2\n", "cam-1/today.csv")
    assert settled(names_two, taken, NOON + age, HOUR) is leaves


def test_a_sheet_that_names_nothing_leaves_at_once() -> None:
    assert settled(sheet("file,serial\n"), set(), NOON, HOUR)


def test_the_rows_that_no_image_came_for_are_told_by_their_lines() -> None:
    names_three = sheet("file,serial\n1.png,s-1\n2.png,s-2\ncam-1/3.png,s-3\n", "cam-1/today.csv")
    assert without_image(names_three, {"cam-1/2.png", "3.png"}) == [2, 4]
    assert without_image(names_three, {"1.png", "2.png", "cam-1/3.png"}) == []
