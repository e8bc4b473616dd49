"""The YAML files as frozen, checked records. A wrong key or value stops at once and names the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from inspection.errors import FixSettings

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Record(BaseModel):
    """A frozen record that knows every key it may have."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Backbone(Record):
    name: str
    weights: str
    sha256: str
    image_size: Annotated[int, Field(ge=32, le=1024)]
    grid: Annotated[int, Field(ge=1, le=8)]


class Validate(Record):
    min_images: Count
    min_parts_per_class: Count
    alike_rate: Annotated[float, Field(gt=0, le=0.01)]
    alike_floor: Annotated[float, Field(gt=0, lt=1)]
    max_group_share: Share


class Split(Record):
    seed: int
    val_share: Annotated[float, Field(gt=0, lt=0.5)]
    test_share: Annotated[float, Field(gt=0, lt=0.5)]


class Embed(Record):
    views: Annotated[int, Field(ge=1, le=64)]
    light: Annotated[float, Field(ge=0, le=0.5)]


Balance = Literal["class", "part", "camera", "serial", "day"]


def _each_once(names: tuple[Balance, ...]) -> tuple[Balance, ...]:
    if len(set(names)) != len(names):
        raise ValueError("must name each once")
    return names


Depth = Literal["head", "tail", "full", "scratch"]


class Train(Record):
    seed: int
    depth: Depth | Literal["auto"]
    tuned_blocks: Count
    minutes: Annotated[float, Field(ge=0)]
    warm_start: bool
    epochs: Count
    min_steps: Annotated[int, Field(ge=0)]
    patience: Count
    batch_size: Annotated[int, Field(ge=2)]
    balance: Annotated[tuple[Balance, ...], AfterValidator(_each_once)]
    head_lr: Positive
    tail_lr: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    averaging: Annotated[float, Field(ge=0, lt=1)]
    baseline_c: Positive
    min_labels: Count
    min_parts: Count

    def frozen_of(self, blocks: int) -> int:
        """How many of a network's blocks stay frozen when a tail is tuned."""
        return max(blocks - self.tuned_blocks, 0)


class Evaluate(Record):
    min_slice: Count


class Verdict(Record):
    part: Literal["any", "majority"]
    cost_escape: Positive
    cost_false_reject: Positive


class Promotion(Record):
    min_test_defects: Annotated[int, Field(ge=0)]
    floor: Share
    forgetting_budget: Share
    min_gain: Share
    new_class_recall_floor: Share
    min_class_images: Count


class Approval(Record):
    valid_days: Positive


class Ingest(Record):
    inbox: str
    key_pattern: str
    sidecar: str
    sidecar_wait: Annotated[float, Field(ge=0)]
    settle: Annotated[float, Field(ge=0)]
    downloads: Annotated[int, Field(ge=1, le=64)]
    max_future: Annotated[float, Field(ge=0)]
    max_megapixels: Positive


class Contract(Record):
    max_refused_share: Share
    min_files: Count


class Batches(Record):
    partition_images: Count


class Features(Record):
    max_gigabytes: Positive
    precision: Literal["auto", "f32", "bf16"]


class Releases(Record):
    keep: Annotated[int, Field(ge=2)]


class Watch(Record):
    window_images: Count
    window_hours: Positive
    min_images: Count
    confirm_windows: Count
    recover_windows: Count
    together_hours: Positive
    remind_growth: Annotated[float, Field(gt=1)]


class Least(Record):
    """The smallest size of each statistic that counts, in the unit that `camera_health.UNITS` gives."""

    gain: Positive
    gradient: Positive
    colour: Positive
    clipped: Positive
    flicker: Positive
    shift: Positive
    rotation: Positive
    blur: Positive
    motion: Positive
    dead: Positive
    hot: Positive
    stuck: Positive
    dust: Positive
    noise: Positive
    frozen: Positive
    unknown: Positive
    novelty: Positive
    mix: Positive
    surface: Positive
    defects: Positive


class Health(Record):
    min_clean_windows: Count
    false_alarms: Annotated[float, Field(gt=0, lt=1)]
    windows_a_day: Positive
    least: Least


Route = Literal["repair", "cost", "label", "watch"]


class Routing(Record):
    lighting: Route
    blur: Route
    framing: Route
    dust: Route
    dead_pixels: Route
    hot_pixels: Route
    stuck_pixels: Route
    frozen: Route
    noise: Route
    unknown: Route
    new_product: Route
    changed_mix: Route
    changed_surface: Route
    defect_rate: Route
    costly_drop: Share
    min_parts: Count


class Requests(Record):
    labels: Count
    parts: Count
    cool_down_hours: Annotated[float, Field(ge=0)]


class Mail(Record):
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    sender: str
    outbox: str
    digest: bool | Annotated[int, Field(ge=0, le=23)]


class Params(Record):
    """params.yaml, one field per section."""

    backbone: Backbone
    validate_: Annotated[Validate, Field(alias="validate")]
    split: Split
    embed: Embed
    train: Train
    evaluate: Evaluate
    verdict: Verdict
    promotion: Promotion
    approval: Approval
    ingest: Ingest
    contract: Contract
    batches: Batches
    features: Features
    releases: Releases
    watch: Watch
    health: Health
    routing: Routing
    requests: Requests
    mail: Mail


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"unknown time zone; did you mean {nearest(name, available_timezones())}?")
    return name


Turn = Literal["flip_x", "flip_y", "turn_180", "turn_90", "turn_270"]


class Camera(Record):
    """What one camera delivers. `width` and `height` are pixels; a camera that crops around the part
    also has `min_width` and `min_height` and delivers anything in between. `black` and `white` are the stored
    values that stand for no light and for full light (a 12-bit camera in a 16-bit file: white 4095). `sides` is how
    many different sides of a part it photographs; with one, all its pictures of a part bear the same label.
    `turns` are the mirrored and turned pictures that could have come as well: training may show them too; a list for
    all parts, or one for each."""

    name: str
    line: str
    width: Count
    height: Count
    min_width: Count | None = None
    min_height: Count | None = None
    mode: Literal["L", "RGB"]
    bit_depth: Literal[8, 16] = 8
    black: Annotated[int, Field(ge=0)] = 0
    white: Count | None = None
    sides: Count = 1
    turns: tuple[Turn, ...] | dict[str, tuple[Turn, ...]] = ()
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    parts: Annotated[tuple[str, ...], Field(min_length=1)]
    mm_per_px: Positive | None = None

    @field_validator("min_width", "min_height")
    @classmethod
    def _not_above(cls, least: int | None, info: ValidationInfo) -> int | None:
        most = info.data.get(str(info.field_name).removeprefix("min_"))
        if least is not None and most is not None and least > most:
            raise ValueError(f"may not be larger than {str(info.field_name).removeprefix('min_')}")
        return least

    @model_validator(mode="after")
    def _turns_of_known_parts(self) -> "Camera":
        unknown = set(self.turns) - set(self.parts) if isinstance(self.turns, dict) else set()
        if unknown:
            raise ValueError(f"turns: the camera sees no part {sorted(unknown)[0]!r}; it sees {', '.join(self.parts)}")
        return self

    @field_validator("white")
    @classmethod
    def _fits(cls, white: int | None, info: ValidationInfo) -> int | None:
        full = 2 ** info.data.get("bit_depth", 8) - 1
        if white is not None and not info.data.get("black", 0) < white <= full:
            raise ValueError(f"must lie above black and not above {full}")
        return white

    def turns_of(self, part: str) -> tuple[Turn, ...]:
        """How pictures of this part may be mirrored or turned."""
        return self.turns.get(part, ()) if isinstance(self.turns, dict) else self.turns

    @property
    def span(self) -> tuple[int, int]:
        """The stored values of no light and of full light."""
        return self.black, self.white or 2**self.bit_depth - 1

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Defect(Record):
    """One class of the taxonomy; `acceptable` says whether a part that shows it may pass."""

    name: str
    description: str = ""
    severity: Literal["none", "minor", "major", "critical"]
    acceptable: bool
    since: str


class Taxonomy(Record):
    """The declared classes, in the order of taxonomy.yaml, under a version of the quality spec."""

    spec: str
    classes: dict[str, Defect]

    @model_validator(mode="after")
    def _some_class(self) -> "Taxonomy":
        if not self.classes:
            raise ValueError("declares no class")
        return self

    def nearest(self, label: str) -> str:
        """The declared class whose name looks most like `label`."""
        return nearest(label, self.classes)


def read_params(path: Path) -> Params:
    """params.yaml, checked."""
    return _parse(Params, _mapping(path), path)


def read_cameras(path: Path) -> dict[str, Camera]:
    """cameras.yaml as camera name -> record."""
    return {
        name: _parse(Camera, _named(name, body, path, name), path, (name,)) for name, body in _mapping(path).items()
    }


def read_taxonomy(path: Path) -> Taxonomy:
    """taxonomy.yaml, checked."""
    raw = _mapping(path)
    classes = _section(raw.get("classes") or {}, path, "classes")
    named = {name: {"name": name, **_section(body, path, f"classes.{name}")} for name, body in classes.items()}
    return _parse(Taxonomy, {**raw, "classes": named}, path)


R = TypeVar("R", bound=Record)


def _parse(record: type[R], raw: dict[str, Any], path: Path, within: tuple[str, ...] = ()) -> R:
    try:
        return record.model_validate(raw)
    except ValidationError as error:
        raise FixSettings(_in_words(error, record, path, within)) from None


def _in_words(error: ValidationError, record: type[Record], path: Path, within: tuple[str, ...]) -> str:
    """The first mistake in a file as a sentence with a remedy."""
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")  # a typo explains a missing key
    where = ".".join((*within, *(str(step) for step in first["loc"])))
    if first["type"] == "extra_forbidden":
        known = _known_keys(record, first["loc"][:-1])
        key = str(first["loc"][-1])
        return f"{path.name}: unknown key `{where}`; did you mean `{nearest(key, known)}`?"
    if first["type"] == "missing":
        return f"{path.name}: `{where}` is missing; add it."
    return f"{path.name}: `{where}` is {first.get('input')!r}: {first['msg'].removeprefix('Value error, ')}."


def _known_keys(record: type[Record], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the record at `loc` below `record` may have."""
    names = {field.alias or name: field for name, field in record.model_fields.items()}
    if not loc:
        return list(names)
    inner: Any = names[str(loc[0])].annotation
    rest = loc[1:]
    if not (isinstance(inner, type) and issubclass(inner, Record)):
        inner, rest = Defect, loc[2:]  # the one dict of records: taxonomy.classes
    return _known_keys(inner, rest)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like `word`."""
    choices = sorted(known)
    alike: list[str] = get_close_matches(word, choices, n=1, cutoff=0) or choices
    return alike[0]


def _mapping(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FixSettings(f"{path.name} is missing from {path.parent}: restore it with git.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FixSettings(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from None
    return _section(raw, path, "the file")


def _named(name: str, body: object, path: Path, where: str) -> dict[str, Any]:
    section = _section(body, path, where)
    if "name" in section:
        raise FixSettings(f"{path.name}: `{where}.name` does not belong there; the key {name!r} is the name.")
    return {"name": name, **section}


def _section(raw: object, path: Path, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise FixSettings(f"{path.name}: {where} must be keys with values.")
    return {str(key): value for key, value in raw.items()}
