"""params.yaml as frozen, checked records, one a section."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from inspection.record import Count, Positive, Record, Share, mapping, parse


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
    max_past: Positive
    max_megapixels: Positive


class Pieces(Record):
    max_gap: Positive


class Contract(Record):
    max_refused_share: Share
    min_files: Count


class Batches(Record):
    partition_images: Count


class Features(Record):
    max_gigabytes: Positive
    precision: Literal["auto", "f32", "bf16"]


class Scale(Record):
    dask: str
    shared: Annotated[str, Field(min_length=1)]


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
    unjudged_hours: Positive
    silent_hours: Positive


class Least(Record):
    """The smallest size of each statistic that counts, in the unit that `monitoring.camera.measurement.UNITS` gives."""

    gain: Positive
    gradient: Positive
    colour: Positive
    clipped: Positive
    flicker: Positive
    tone: Positive
    reflection: Positive
    shift: Positive
    rotation: Positive
    zoom: Positive
    view: Positive
    blur: Positive
    motion: Positive
    dead: Positive
    hot: Positive
    stuck: Positive
    dust: Positive
    noise: Positive
    smoothed: Positive
    sharpened: Positive
    blocks: Positive
    coarse: Positive
    torn: Positive
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
    processing: Route
    transfer: Route
    wrong_view: Route
    unknown: Route
    new_product: Route
    changed_mix: Route
    changed_surface: Route
    defect_rate: Route
    silent: Route
    unjudged: Route
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
    pieces: Pieces
    contract: Contract
    batches: Batches
    features: Features
    scale: Scale
    releases: Releases
    watch: Watch
    health: Health
    routing: Routing
    requests: Requests
    mail: Mail


def read_params(path: Path) -> Params:
    """params.yaml, checked."""
    return parse(Params, mapping(path), path)
