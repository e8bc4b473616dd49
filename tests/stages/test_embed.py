"""Which views of which images are computed."""

import pandas as pd

from inspection.cameras import Camera
from inspection.network.masks import NO_MASKS, Mask, Masks
from inspection.params import Embed
from stages.embed import index, wanted

CAMERA = Camera(name="cam-1", line="A", width=8, height=8, mode="L", parts=("nut", "bolt"), turns={"nut": ("flip_x",)})


def table(**columns: list[str]) -> pd.DataFrame:
    rows = pd.DataFrame(columns)
    return rows.assign(image_id=[f"i{n}" for n in range(len(rows))], black=0, white=255)


def views(rows: pd.DataFrame, most: int, settings: Embed) -> dict[str, tuple[str, ...]]:
    return {row.image_id: found for row, found in wanted(rows, {"cam-1": CAMERA}, settings, most)}


def test_only_training_images_get_more_views_and_no_more_than_planned() -> None:
    rows = table(split=["train", "val", "test", "left out"], camera=["cam-1"] * 4, part=["nut"] * 4)
    whole, light = Embed(views=64, light=0.1), ("identity", "flip_x", "identity@1.1", "flip_x@0.9")
    assert views(rows, 4, whole) == {"i0": light, "i1": ("identity",), "i2": ("identity",)}
    assert views(rows, 2, whole)["i0"] == light[:2] and views(rows, 1, whole)["i0"] == light[:1]
    assert views(rows, 64, Embed(views=3, light=0.1))["i0"] == light[:3]


def test_the_camera_and_the_part_decide_how_a_picture_may_be_turned() -> None:
    rows = table(split=["train"] * 3, camera=["cam-1", "cam-1", "gone"], part=["nut", "bolt", "nut"])
    found = views(rows, 4, Embed(views=4, light=0))
    assert found == {"i0": ("identity", "flip_x"), "i1": ("identity",), "i2": ("identity",)}


class Keys:
    """In the place of the store."""

    def key(self, image: str, view: str) -> str:
        return f"{image}|{view}"


def test_the_index_has_a_row_for_each_view_and_tells_masked_pictures_apart() -> None:
    rows = table(split=["train", "val"], camera=["cam-1"] * 2, part=["nut", "bolt"])
    items = wanted(rows, {"cam-1": CAMERA}, Embed(views=4, light=0), 4)
    plain = index(items, Keys(), NO_MASKS)  # type: ignore[arg-type]
    assert plain["key"].tolist() == ["i0/0-255|identity", "i0/0-255|flip_x", "i1/0-255|identity"]
    assert plain["image_id"].tolist() == ["i0", "i0", "i1"] and plain["view"].tolist()[1] == "flip_x"
    masks = Masks({("cam-1", "bolt"): Mask("f" * 64, None)})  # type: ignore[arg-type]
    masked = index(items, Keys(), masks)["key"].tolist()  # type: ignore[arg-type]
    assert masked[:2] == plain["key"].tolist()[:2] and masked[2] == "i1/0-255/ffffffffffff|identity"
