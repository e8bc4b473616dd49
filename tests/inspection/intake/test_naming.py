from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspection.cameras import Camera
from inspection.errors import FixInput, FixSettings
from inspection.intake.naming import Named, named, pattern
from inspection.intake.sidecar import Row
from plant.shot import key_of
from tests.inspection.world import CAMERAS, KEYS

words = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
milliseconds = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
)
KEY = "cam-1/bracket/s-1/20261102T061512Z.png"
WHOLE = {"camera": "cam-1", "part": "bracket", "serial": "s-1", "captured_at": "2026-11-02T06:15:12Z"}


def refused(key: str, row: Row | None = None, text: str = "{camera}/{part}/{serial}/{captured_at}") -> str:
    with pytest.raises(FixInput) as refusal:
        named(key, pattern(text, row is None), CAMERAS, row)
    return str(refusal.value)


def said(**fields: str) -> Row:
    return Row(fields, "line/today.csv", 7)


def by_row(**fields: str) -> Named:
    return named("a.png", None, CAMERAS, said(**{**WHOLE, **fields}))


@given(st.sampled_from(list(CAMERAS.values())), words, words, milliseconds)
def test_a_key_says_what_it_was_made_from(camera: Camera, part: str, serial: str, at: datetime) -> None:
    says = named(key_of(camera.name, part, serial, at), KEYS, CAMERAS, None)
    assert (says.camera, says.part, says.serial, says.captured_at) == (camera, part, serial, at)


@given(st.permutations(["line", "camera", "part", "serial", "captured_at"]), st.sampled_from(["/", "_x_", "."]))
def test_fields_may_stand_in_any_order_with_any_separator(order: list[str], between: str) -> None:
    values = {"line": "A", "camera": "cam-1", "part": "bracket", "serial": "7", "captured_at": "20261102T061512Z"}
    expression = pattern(between.join(f"{{{name}}}" for name in order))
    says = named(between.join(values[name] for name in order) + ".png", expression, CAMERAS, None)
    assert (says.part, says.serial, says.captured_at) == ("bracket", "7", datetime(2026, 11, 2, 6, 15, 12, tzinfo=UTC))


@given(st.one_of(st.text(max_size=30), st.text("cam-1/bracket.T0129Z", max_size=60)))
@example("cam-1/bracket/s/00010101T000000.png")
@example("cam-1/bracket/s/99991231T235959-1200.png")
@example("cam-1/bracket/s/20260230T000000Z.png")
@example("")
def test_any_text_is_a_name_or_is_refused_in_words(text: str) -> None:
    try:
        named(text, KEYS, CAMERAS, None)
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
        named("B/cam-1/bracket/s/20261102T061512Z.png", expression, CAMERAS, None)


@pytest.mark.parametrize("time", ["noon", "20261302T061512Z", "20261102T246161Z", "1", "20261102T061512ZZ"])
def test_a_time_that_is_none_is_refused_with_an_example(time: str) -> None:
    assert "20261102T061512345Z" in refused(f"cam-1/bracket/s/{time}.png")


def test_a_time_without_a_zone_is_the_camera_s_in_summer_and_in_winter() -> None:
    def at(time: str) -> datetime:
        return named(f"cam-1/bracket/s/{time}.png", KEYS, CAMERAS, None).captured_at

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
    assert named("cam-1.bracket.s.20261102T061512Z.png", expression, CAMERAS, None).serial == "s"
    with pytest.raises(FixInput, match="key_pattern"):
        named("cam-1xbracketxsx20261102T061512Z.png", expression, CAMERAS, None)


def test_a_row_alone_says_everything() -> None:
    says = by_row(line="A")
    assert (says.camera.name, says.part, says.serial) == ("cam-1", "bracket", "s-1")
    assert says.captured_at == datetime(2026, 11, 2, 6, 15, 12, tzinfo=UTC)
    assert not says.time_doubtful


def test_name_and_row_complete_each_other() -> None:
    expression = pattern("{camera}/{serial}", complete=False)
    says = named("cam-2/s-9.png", expression, CAMERAS, said(part="panel", captured_at="2026-11-02 06:15:12"))
    assert (says.camera.name, says.part, says.serial) == ("cam-2", "panel", "s-9")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("camera", "cam-2"),
        ("part", "housing"),
        ("serial", "s-2"),
        ("captured_at", "2026-11-02T06:15:13Z"),
    ],
)
def test_a_name_and_a_row_that_disagree_are_refused_with_both_values_and_places(field: str, value: str) -> None:
    words = refused(KEY, said(**{field: value}))
    of_name = "20261102T061512Z" if field == "captured_at" else WHOLE[field]
    assert words == f"{field} is {of_name} in its name but {value} in line/today.csv, line 7; correct one of them"


def test_times_are_compared_as_moments_not_as_text() -> None:
    for same in ("2026-11-02T07:15:12+01:00", "2026-11-02 07:15:12", "20261102T061512Z"):
        assert named(KEY, KEYS, CAMERAS, said(captured_at=same)).captured_at.hour == 6


def test_a_line_in_a_row_must_be_the_camera_s_and_the_name_s() -> None:
    assert "line/today.csv, line 7 says line B, but cameras.yaml says A for cam-1" in refused(KEY, said(line="B"))
    text = "{line}/{camera}/{part}/{serial}/{captured_at}"
    assert "line is A in its name but B in line/today.csv, line 7" in refused(f"A/{KEY}", said(line="B"), text)


@pytest.mark.parametrize("field", ["camera", "part", "serial", "captured_at"])
def test_a_field_that_nobody_gives_is_named(field: str) -> None:
    row = said(**{name: value for name, value in WHOLE.items() if name != field})
    assert f"neither its name nor a row of a sidecar says {field};" in refused("a.png", row, "")


def test_without_a_row_nothing_is_known_of_a_name_that_says_nothing() -> None:
    with pytest.raises(FixInput, match="says camera, part, serial, captured_at; add it"):
        named("a.png", None, CAMERAS, None)


def test_a_name_of_another_form_says_nothing_if_there_is_a_row() -> None:
    assert named("any/a.png", KEYS, CAMERAS, said(**WHOLE)).serial == "s-1"


def test_a_name_with_letters_that_do_not_belong_is_refused_even_with_a_row() -> None:
    assert "rename it at the camera" in refused("../a.png", said(**WHOLE))


@pytest.mark.parametrize("field", ["camera", "part", "serial"])
@pytest.mark.parametrize("value", ["a b", "../x", "a/b", "=1+1", "a\0b", "\u0661", "x" * 300, "..", "ü"])
def test_a_row_s_names_hold_the_same_letters_as_keys(field: str, value: str) -> None:
    words = refused("a.png", said(**{**WHOLE, field: value}))
    assert words.startswith(f"{field} is ") and "line/today.csv, line 7" in words and len(words) < 300


@given(st.dictionaries(st.sampled_from(["line", *WHOLE]), st.one_of(st.text(max_size=20), st.sampled_from(["cam-1"]))))
def test_any_row_is_taken_or_refused_in_words(fields: dict[str, str]) -> None:
    try:
        named(KEY, KEYS, CAMERAS, said(**fields))
    except FixInput as error:
        assert str(error)


def test_the_hour_that_winter_time_doubles_is_doubtful_and_taken_as_the_first() -> None:
    says = by_row(captured_at="2026-10-25 02:30")
    assert says.time_doubtful
    assert says.captured_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert named("cam-1/bracket/s/20261025T023000.png", KEYS, CAMERAS, None).time_doubtful


def test_the_hour_that_summer_time_skips_is_doubtful() -> None:
    says = by_row(captured_at="2026-03-29T02:30")
    assert says.time_doubtful
    assert says.captured_at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "time", ["2026-10-25 03:00", "2026-10-25 01:59:59", "2026-10-25T02:30+01:00", "20261025T003000Z"]
)
def test_all_other_times_are_certain(time: str) -> None:
    assert not by_row(captured_at=time).time_doubtful


def test_a_zone_in_one_of_two_places_settles_a_doubtful_time() -> None:
    for hour in (0, 1):
        row = said(captured_at=f"2026-10-25T{hour:02d}:30Z")
        says = named("cam-1/bracket/s/20261025T023000.png", KEYS, CAMERAS, row)
        assert (says.captured_at.hour, says.time_doubtful) == (hour, False)
    assert "captured_at is" in refused("cam-1/bracket/s/20261025T023000.png", said(captured_at="2026-10-25T02:30Z"))


def test_with_a_sidecar_a_pattern_may_say_a_part_of_it_or_nothing() -> None:
    assert pattern("", complete=False) is None
    assert pattern("{serial}", complete=False)
    with pytest.raises(FixSettings, match="shift"):
        pattern("{shift}", complete=False)


@pytest.mark.parametrize("text", ["2026-11-02", "20261102", "2026-W45-1"])
def test_a_day_is_no_time_for_nobody_knows_the_hour(text: str) -> None:
    assert "names a day and no time of day" in refused("a.png", said(**{**WHOLE, "captured_at": text}))
    assert "names a day and no time of day" in refused(f"cam-1/bracket/s-1/{text}.png")


def test_a_sheet_where_none_is_expected_is_told_the_setting() -> None:
    assert "ingest.sidecar" in refused("today/labels.CSV")
    assert refused("today/a.png").endswith("rename it")
