import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from inspection.cameras import read_cameras
from inspection.errors import FixSettings
from inspection.params import read_params
from inspection.taxonomy import read_taxonomy
from tests.conftest import ROOT

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
KEYS = [(section, key) for section, body in PARAMS.items() for key in body]
READERS = {"params.yaml": read_params, "cameras.yaml": read_cameras, "taxonomy.yaml": read_taxonomy}


def refused(name: str, content: object, folder: Path) -> str:
    """What the reader of the file `name` says against `content`, in one line."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(FixSettings) as refusal:
        READERS[name](path)
    words = str(refusal.value)
    assert name in words and "\n" not in words
    return words


def changed(section: str, key: str, value: object) -> dict[str, object]:
    return {**PARAMS, section: {**PARAMS[section], key: value}}


def test_the_files_of_this_checkout_are_read() -> None:
    assert read_params(ROOT / "params.yaml").batches.partition_images == PARAMS["batches"]["partition_images"]
    for name, camera in read_cameras(ROOT / "cameras.yaml").items():
        assert camera.name == name and camera.parts
    taxonomy = read_taxonomy(ROOT / "taxonomy.yaml")
    assert taxonomy.classes["good"].acceptable and not taxonomy.classes["crack"].acceptable


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_a_misspelt_key_in_params_names_the_nearest(section: str, key: str, tmp_path: Path) -> None:
    body = dict(PARAMS[section])
    body[key[:-1]] = body.pop(key)
    words = refused("params.yaml", {**PARAMS, section: body}, tmp_path)
    assert f"`{section}.{key[:-1]}`" in words and f"did you mean `{key}`" in words


@pytest.mark.parametrize("section", PARAMS)
def test_a_misspelt_section_in_params_names_the_nearest(section: str, tmp_path: Path) -> None:
    content = {(name + "x" if name == section else name): body for name, body in PARAMS.items()}
    assert f"did you mean `{section}`" in refused("params.yaml", content, tmp_path)


@pytest.mark.parametrize(("wrong", "right"), [("widht", "width"), ("timezone", "time_zone"), ("part", "parts")])
def test_a_misspelt_key_in_cameras_names_the_camera_and_the_nearest(wrong: str, right: str, tmp_path: Path) -> None:
    body = {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["bracket"], "time_zone": "UTC"}
    body[wrong] = body.pop(right)
    words = refused("cameras.yaml", {"cam-7": body}, tmp_path)
    assert f"`cam-7.{wrong}`" in words and f"did you mean `{right}`" in words


@pytest.mark.parametrize(
    ("text", "wrong", "right"),
    [
        ("spec: '1'\nclases: {good: {severity: none, acceptable: true, since: '1'}}", "clases", "classes"),
        ("sepc: '1'\nclasses: {good: {severity: none, acceptable: true, since: '1'}}", "sepc", "spec"),
        ("spec: '1'\nclasses: {pit: {sverity: none, acceptable: true, since: '1'}}", "classes.pit.sverity", "severity"),
        ("spec: '1'\nclasses: {pit: {severity: none, aceptable: true, since: '1'}}", "pit.aceptable", "acceptable"),
    ],
)
def test_a_misspelt_key_in_the_taxonomy_names_the_nearest(text: str, wrong: str, right: str, tmp_path: Path) -> None:
    words = refused("taxonomy.yaml", text, tmp_path)
    assert f"{wrong}`" in words and f"did you mean `{right}`" in words


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_a_missing_key_is_named(section: str, key: str, tmp_path: Path) -> None:
    body = {name: value for name, value in PARAMS[section].items() if name != key}
    assert f"`{section}.{key}` is missing" in refused("params.yaml", {**PARAMS, section: body}, tmp_path)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("split", "val_share", 0.6),
        ("train", "epochs", 0),
        ("train", "min_steps", -1),
        ("train", "head_lr", "fast"),
        ("train", "dropout", 1),
        ("verdict", "part", "most"),
        ("promotion", "forgetting_budget", -0.1),
        ("releases", "keep", 1),
        ("ingest", "max_megapixels", float("nan")),
        ("backbone", "sha256", 57934424),
        ("backbone", "grid", 0),
        ("backbone", "grid", 9),
        ("embed", "views", 0),
        ("embed", "views", 65),
        ("embed", "views", ["identity", "flip_x"]),
        ("embed", "light", -0.1),
        ("embed", "light", 0.6),
        ("train", "depth", "deep"),
        ("train", "frozen_blocks", 0),
        ("train", "minutes", -1),
        ("train", "warm_start", "perhaps"),
        ("train", "averaging", 1),
        ("train", "balance", ["class", "class"]),
        ("train", "balance", ["piece"]),
    ],
)
def test_a_value_that_cannot_be_is_named(section: str, key: str, value: object, tmp_path: Path) -> None:
    assert f"`{section}.{key}" in refused("params.yaml", changed(section, key, value), tmp_path)


def test_an_unknown_time_zone_names_the_nearest(tmp_path: Path) -> None:
    body = {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["x"], "time_zone": "Europe/Berlim"}
    assert "did you mean Europe/Berlin" in refused("cameras.yaml", {"cam-1": body}, tmp_path)


@pytest.mark.parametrize("balance", [[], ["class"], ["part", "class", "serial", "camera", "day"]])
def test_each_word_of_the_balance_is_known(balance: list[str], tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed("train", "balance", balance)))
    assert read_params(tmp_path / "params.yaml").train.balance == tuple(balance)


@pytest.mark.parametrize(
    ("turns", "bracket", "nut"),
    [
        (None, (), ()),
        ([], (), ()),
        (["flip_x", "turn_90"], ("flip_x", "turn_90"), ("flip_x", "turn_90")),
        ({"bracket": ["turn_270"]}, ("turn_270",), ()),
        ({"bracket": [], "nut": ["flip_y", "turn_180"]}, (), ("flip_y", "turn_180")),
    ],
)
def test_turns_are_declared_for_all_parts_or_for_each(
    turns: object, bracket: tuple[str, ...], nut: tuple[str, ...], tmp_path: Path
) -> None:
    body = {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["bracket", "nut"], "turns": turns}
    if turns is None:
        del body["turns"]
    (tmp_path / "cameras.yaml").write_text(yaml.safe_dump({"cam-1": body}))
    camera = read_cameras(tmp_path / "cameras.yaml")["cam-1"]
    assert (camera.turns_of("bracket"), camera.turns_of("nut")) == (bracket, nut)


@pytest.mark.parametrize("turns", ["flip_x", 3, ["flip_z"], {"bracket": ["flip_z"]}, {"bracket": "flip_x"}])
def test_turns_that_cannot_be_are_named(turns: object, tmp_path: Path) -> None:
    body = {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["bracket"], "turns": turns}
    assert "`cam-1.turns" in refused("cameras.yaml", {"cam-1": body}, tmp_path)


def test_turns_of_a_part_that_the_camera_does_not_see_are_named(tmp_path: Path) -> None:
    body = {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["bracket"], "turns": {"braket": ["flip_x"]}}
    assert "braket" in refused("cameras.yaml", {"cam-1": body}, tmp_path)


@pytest.mark.parametrize(
    "change", [{"mode": "RGBA"}, {"bit_depth": 12}, {"parts": []}, {"width": 0}, {"min_width": 9}, {"min_height": 9}]
)
def test_a_camera_that_cannot_be_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    body = {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["bracket"], **change}
    assert f"cam-1.{next(iter(change))}" in refused("cameras.yaml", {"cam-1": body}, tmp_path)


def test_a_camera_bears_the_name_it_stands_under(tmp_path: Path) -> None:
    body = {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["bracket"], "name": "cam-2"}
    assert "name" in refused("cameras.yaml", {"cam-1": body}, tmp_path)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "just words", "a: [", "a: !!python/object/apply:os.getcwd []", "\tx: 1"]
)
def test_what_is_no_yaml_with_keys_is_refused(name: str, text: str, tmp_path: Path) -> None:
    refused(name, text, tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_a_section_that_is_no_mapping_is_refused(name: str, tmp_path: Path) -> None:
    content = {"params.yaml": {**PARAMS, "train": 3}, "cameras.yaml": {"cam-1": None}, "taxonomy.yaml": {"classes": 3}}
    refused(name, content[name], tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_a_file_in_another_encoding_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes("a: \xfc".encode("latin-1"))
    with pytest.raises(FixSettings, match=f"{re.escape(name)} is not valid YAML"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
def test_a_missing_file_is_named_with_the_remedy(name: str, tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match=f"{re.escape(name)} is missing from .*git"):
        READERS[name](tmp_path / name)


def test_a_taxonomy_without_classes_is_refused(tmp_path: Path) -> None:
    assert "no class" in refused("taxonomy.yaml", "spec: '1'\nclasses: {}", tmp_path)


def test_the_nearest_class_is_the_one_that_looks_like_the_word() -> None:
    taxonomy = read_taxonomy(ROOT / "taxonomy.yaml")
    assert [taxonomy.nearest(word) for word in ("scrach", "Crack", "pitt", "", "zzz")][:3] == [
        "scratch",
        "crack",
        "pit",
    ]
    assert {taxonomy.nearest(word) for word in ("", "zzz")} <= set(taxonomy.classes)


def test_settings_cannot_be_changed_at_run_time() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read_params(ROOT / "params.yaml").train.epochs = 3


CAMERA = {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["x"], "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("pace", "says"),
    [
        ("fast", "say pictures an hour, such as 40, or {pictures: 40"),
        (0, "`cam-1.pace.pictures` is 0"),
        ({"picture": 40}, "unknown key `cam-1.pace.picture`; did you mean `pictures`?"),
        ({"days": ["mon"]}, "`cam-1.pace.pictures` is missing"),
        ({"pictures": 40, "days": ["monday"]}, "should be 'mon', 'tue'"),
        ({"pictures": 40, "days": []}, "`cam-1.pace.days` is []"),
        ({"pictures": 40, "hours": [6, 6]}, "say from which hour to which other one"),
        ({"pictures": 40, "hours": [6, 25]}, "`cam-1.pace.hours.1` is 25"),
    ],
)
def test_a_pace_that_cannot_be_is_named(pace: object, says: str, tmp_path: Path) -> None:
    assert says in refused("cameras.yaml", {"cam-1": {**CAMERA, "pace": pace}}, tmp_path)


@pytest.mark.parametrize("pace", [40, {"pictures": 40}, {"pictures": 40, "days": ["mon"], "hours": [22, 6]}])
def test_a_pace_is_a_number_or_says_when(pace: object, tmp_path: Path) -> None:
    (tmp_path / "cameras.yaml").write_text(yaml.safe_dump({"cam-1": {**CAMERA, "pace": pace}}))
    read = read_cameras(tmp_path / "cameras.yaml")["cam-1"].pace
    assert read is not None and read.at(datetime(2026, 11, 2, 23)) == 40


STOP = {"from": "2026-12-24", "to": "2027-01-03", "reason": "Christmas"}


@pytest.mark.parametrize(
    ("stops", "says"),
    [
        (STOP, "`stops` must be a list of times, each with from, to and reason"),
        (["today"], "`stops.0` must say from, to and reason"),
        ([STOP, {**STOP, "to": "2026-12-23"}], "`stops.1.to` is '2026-12-23': must lie after `from`"),
        ([{**STOP, "to": "soon"}], "`stops.0.to` is 'soon'"),
        ([{**STOP, "to": "2026-13-23"}], "`stops.0.to` is '2026-13-23'"),
        ([{**STOP, "to": "2026-12-27T08:00:00+01:00"}], "need both a time zone, or neither"),
        ([{**STOP, "cameras": ["cam-7"]}], "`stops.0.cameras` names 'cam-7'; did you mean 'cam-1'?"),
        ([{**STOP, "until": 3}], "unknown key `stops.0.until`"),
        ([{"from": "2026-12-24", "to": "2026-12-24"}], "`stops.0.reason` is missing"),
    ],
)
def test_a_stop_that_cannot_be_is_named(stops: object, says: str, tmp_path: Path) -> None:
    assert says in refused("cameras.yaml", {"cam-1": CAMERA, "stops": stops}, tmp_path)


def test_a_stop_holds_its_dates_as_a_whole_by_the_camera_s_clock_for_the_cameras_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "cameras.yaml"
    cameras = yaml.safe_dump({"cam-1": CAMERA, "cam-2": {**CAMERA, "time_zone": "UTC"}})
    path.write_text(
        f"{cameras}stops:\n  - {{from: 2026-12-24, to: 2026-12-25, reason: Christmas}}\n"
        "  - {from: 2026-11-20T14:00, to: 2026-11-20T16:00, reason: a new lamp, cameras: [cam-2]}\n"
    )
    one, other = read_cameras(path).values()
    assert (len(one.stops), len(other.stops)) == (1, 2)
    begins, ends = datetime(2026, 12, 23, 23, tzinfo=UTC), datetime(2026, 12, 25, 23, tzinfo=UTC)
    second = timedelta(seconds=1)
    held = [one.stop_at(moment) is not None for moment in (begins - second, begins, ends - second, ends)]
    assert held == [False, True, True, False]
    lamp = other.stop_at(datetime(2026, 11, 20, 15, tzinfo=UTC))
    assert lamp is not None and lamp.reason == "a new lamp"
    path.write_text(f"{cameras}stops:\n")
    assert read_cameras(path)["cam-1"].stops == ()
