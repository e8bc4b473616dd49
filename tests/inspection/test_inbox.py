import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspection.errors import FixInput, FixSettings
from inspection.inbox import dropped, named, pattern
from inspection.params import Camera
from plant.shot import key_of
from tests.inspection.world import CAMERAS, KEYS

words = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
milliseconds = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
)


def put(inbox: Path, *keys: str) -> None:
    for key in keys:
        (inbox / key).parent.mkdir(parents=True, exist_ok=True)
        (inbox / key).write_bytes(key.encode())


def refused(key: str) -> str:
    with pytest.raises(FixInput) as refusal:
        named(key, KEYS, CAMERAS)
    return str(refusal.value)


def test_finished_files_are_found_by_name_with_their_path_as_key(tmp_path: Path) -> None:
    put(tmp_path, "cam-2/b.png", "cam-1/p/z.png", "cam-1/a.png", "c.png")
    assert [file.key for file in dropped(tmp_path)] == ["c.png", "cam-1/a.png", "cam-1/p/z.png", "cam-2/b.png"]


def test_what_is_unfinished_hidden_or_a_link_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png.part", "b.PNG.TMP", ".c.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path.parent / "outside").mkdir()
    put(tmp_path.parent / "outside", "secret.png")
    (tmp_path / "folder").symlink_to(tmp_path.parent / "outside")
    assert [file.key for file in dropped(tmp_path)] == ["a.png"]


def test_what_lies_in_a_hidden_folder_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path, ".sync/half.png", "cam-1/.tmp/half.png", "a.png")
    assert [file.key for file in dropped(tmp_path)] == ["a.png"]


def test_what_is_no_file_is_left_alone_as_reading_it_would_never_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    put(tmp_path, "a.png")
    assert [file.key for file in dropped(tmp_path)] == ["a.png"]


@pytest.mark.parametrize("name", [b"M\xfcnchen.png", b"a\nb.png", b"a b.png", "é\u2028.png".encode()])
def test_any_name_has_a_key_that_can_be_written_down(tmp_path: Path, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_bytes(b"x")
    (file,) = dropped(tmp_path)
    assert file.key.encode("utf-8")
    assert file.path.read_bytes() == b"x"
    refused(file.key)


def test_two_names_never_share_a_key(tmp_path: Path) -> None:
    for name in (b"\xfc.png", "ü.png".encode(), b"\xfd.png", rb"\xfc.png"):
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_bytes(b"x")
    assert len({file.key.encode("utf-8") for file in dropped(tmp_path)}) == 4


def test_no_inbox_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match=r"no inbox at .*create the folder, or set ingest\.inbox"):
        list(dropped(tmp_path / "inbox"))


def test_a_read_file_is_removed_and_one_that_was_written_anew_stays(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png", "c.png")
    first, second, third = dropped(tmp_path)
    second.path.write_bytes(b"other bytes")
    os.utime(third.path, ns=(third.mtime_ns + 1, third.mtime_ns + 1))  # as many bytes, a moment later
    for file in (first, second, third, first):  # a second time does no harm
        file.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.png", "c.png"]


@given(st.sampled_from(list(CAMERAS.values())), words, words, milliseconds)
def test_a_key_says_what_it_was_made_from(camera: Camera, part: str, serial: str, at: datetime) -> None:
    says = named(key_of(camera.name, part, serial, at), KEYS, CAMERAS)
    assert (says.camera, says.part, says.serial, says.captured_at) == (camera, part, serial, at)


@given(st.permutations(["line", "camera", "part", "serial", "captured_at"]), st.sampled_from(["/", "_x_", "."]))
def test_fields_may_stand_in_any_order_with_any_separator(order: list[str], between: str) -> None:
    values = {"line": "A", "camera": "cam-1", "part": "bracket", "serial": "7", "captured_at": "20261102T061512Z"}
    expression = pattern(between.join(f"{{{name}}}" for name in order))
    says = named(between.join(values[name] for name in order) + ".png", expression, CAMERAS)
    assert (says.part, says.serial, says.captured_at) == ("bracket", "7", datetime(2026, 11, 2, 6, 15, 12, tzinfo=UTC))


@given(st.one_of(st.text(max_size=30), st.text("cam-1/bracket.T0129Z", max_size=60)))
@example("cam-1/bracket/s/00010101T000000.png")
@example("cam-1/bracket/s/99991231T235959-1200.png")
@example("cam-1/bracket/s/20260230T000000Z.png")
@example("")
def test_any_text_is_a_name_or_is_refused_in_words(text: str) -> None:
    try:
        named(text, KEYS, CAMERAS)
    except FixInput as error:
        assert str(error)


@pytest.mark.parametrize(
    "key",
    [
        "../cam-1/bracket/s/20261102T061512Z.png",
        "cam-1/bracket/../20261102T061512Z.png",
        "cam-1/bracket/s..1/20261102T061512Z.png",
        "cam-1/bracket/./20261102T061512Z.png",
        "cam-1/bracket/s 1/20261102T061512Z.png",
        "cam-1/bracket/s\n1/20261102T061512Z.png",
        "cam-1/bracket/s1/20261102T061512Z.png\n",
        "cam-1/brücket/s1/20261102T061512Z.png",
        "cam-1/bracket/s\u0661/20261102T061512Z.png",  # a digit, but not one of ours
        "cam-1/bracket//20261102T061512Z.png",
        "/cam-1/bracket/s/20261102T061512Z.png",
        "cam-1/bracket/s;rm/20261102T061512Z.png",
    ],
)
def test_a_name_with_letters_that_do_not_belong_is_refused_with_the_remedy(key: str) -> None:
    assert "rename it at the camera" in refused(key)


@pytest.mark.parametrize(
    "key", ["a.png", "cam-1/bracket/20261102T061512Z.png", "cam-1/bracket/s/x/20261102T061512Z.png"]
)
def test_a_name_of_another_form_is_refused_with_the_setting_s_name(key: str) -> None:
    assert "ingest.key_pattern" in refused(key)


def test_an_unknown_camera_is_refused_with_those_that_are_declared() -> None:
    words = refused("cam-9/bracket/s/20261102T061512Z.png")
    assert "cam-9" in words and "cam-1, cam-2" in words and "cameras.yaml" in words


def test_a_name_on_another_line_than_the_camera_is_refused() -> None:
    expression = pattern("{line}/{camera}/{part}/{serial}/{captured_at}")
    with pytest.raises(FixInput, match=r"line B, but cameras\.yaml says A for cam-1"):
        named("B/cam-1/bracket/s/20261102T061512Z.png", expression, CAMERAS)


@pytest.mark.parametrize("time", ["noon", "20261302T061512Z", "20261102T246161Z", "1", "20261102T061512ZZ"])
def test_a_time_that_is_none_is_refused_with_an_example(time: str) -> None:
    assert "20261102T061512345Z" in refused(f"cam-1/bracket/s/{time}.png")


def test_a_time_without_a_zone_is_the_camera_s_in_summer_and_in_winter() -> None:
    def at(time: str) -> datetime:
        return named(f"cam-1/bracket/s/{time}.png", KEYS, CAMERAS).captured_at

    assert at("20261102T061512") == datetime(2026, 11, 2, 5, 15, 12, tzinfo=UTC)
    assert at("20260702T061512") == datetime(2026, 7, 2, 4, 15, 12, tzinfo=UTC)
    assert at("20261102T061512Z") - at("20261102T061512") == timedelta(hours=1)
    assert at("20261102T0615121Z").microsecond == 100_000


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{camera}/{part}/{serial}", "captured_at"),
        ("{camera}/{part}/{serial}/{captured_at}/{shift}", "shift"),
        ("{camera}/{part}/{serial}/{captured_at}/{part}", "twice"),
        ("", "camera"),
    ],
)
def test_a_pattern_with_a_wrong_missing_or_doubled_field_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(FixSettings, match=rf"ingest\.key_pattern: .*{wrong}"):
        pattern(text)


def test_what_is_special_in_expressions_is_plain_text_in_a_pattern() -> None:
    expression = pattern("{camera}.{part}.{serial}.{captured_at}")
    assert named("cam-1.bracket.s.20261102T061512Z.png", expression, CAMERAS).serial == "s"
    with pytest.raises(FixInput, match="key_pattern"):
        named("cam-1xbracketxsx20261102T061512Z.png", expression, CAMERAS)
