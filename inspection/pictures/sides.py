"""How many sides of a part a camera photographs: what cameras.yaml says, or else what the labels of the pieces show.

The pictures that a camera takes of a piece without another piece in between, or within an hour, are one pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from inspection.cameras import Camera
from inspection.pictures import piece

PASS_GAP = pd.Timedelta(hours=1)
LEAST, MIXED = 5, 0.25  # good and defective passes, and their share of those with a defect: slips of those who label
# are fewer (5 of 73 magnetic tiles, each in six pictures of one side)
FEW, SURE = 3, 0.5  # ... that no slips explain, however few there are and however many pictures the passes have
ALIKE = 0.8  # share of the passes of several pictures that have the usual number of them


@dataclass(frozen=True)
class Sides:
    """How many sides a camera photographs.

    Attributes:
        declared: what cameras.yaml says; None: nothing.
        usual: pictures in most passes that have several; 1: none has.
        most: pictures in the longest pass.
        mixed, defective: passes with good and defective pictures, and all with a defective one.
        learned: whether the labels show several sides.
    """

    declared: int | None
    usual: int
    most: int
    mixed: int
    defective: int
    learned: bool

    @property
    def count(self) -> int:
        """Sides of a part: its pictures in one pass may bear so many different labels."""
        return self.declared or (self.likely if self.learned else 1)

    @property
    def likely(self) -> int:
        """What to declare, as far as the pictures tell."""
        return max(self.usual, 2)


def passes(table: pd.DataFrame) -> pd.Series:
    """Number of the pass that each row is from; unlike for any two cameras and any two pieces.

    Args:
        table: `camera`, `part`, `serial`, `captured_at`, one row per image.
    """
    at = pd.to_datetime(table["captured_at"], utc=True)
    rows = table.assign(piece=piece.of(table), captured_at=at).reset_index(drop=True)
    rows = rows.sort_values(["camera", "captured_at"], kind="stable")
    turn = pd.Series(range(len(rows)), rows.index)
    by = [rows["camera"], rows["piece"]]
    apart = (turn.groupby(by).diff() > 1) & (rows["captured_at"].groupby(by).diff() > PASS_GAP)
    again = apart.astype(int).groupby(by).cumsum()
    return again.groupby([*by, again.rename("again")]).ngroup().sort_index().set_axis(table.index)


def of_cameras(table: pd.DataFrame, cameras: Mapping[str, Camera]) -> dict[str, Sides]:
    """Camera -> its sides, of those declared cameras that `table` has pictures from.

    Args:
        table: one row per labelled image: `camera`, `part`, `serial`, `captured_at`, `acceptable` (bool).
    """
    known = table[table["camera"].isin(cameras.keys())]
    by = [known["camera"], passes(known).rename("pass")]
    acceptable = known["acceptable"].groupby(by)
    each = pd.DataFrame({"images": acceptable.size(), "good": acceptable.any(), "bad": ~acceptable.all()})
    return {str(name): _of(rows, cameras[str(name)].sides) for name, rows in each.groupby(level="camera")}


def _of(rows: pd.DataFrame, declared: int | None) -> Sides:
    """Args: rows: one a pass, `images`, `good`, `bad`: whether it has such pictures."""
    several = rows[rows["images"] > 1]
    usual = int(several["images"].mode().max()) if len(several) else 1
    mixed, defective = int((several["good"] & several["bad"]).sum()), int(several["bad"].sum())
    share = mixed / max(defective, 1)
    steady = float((several["images"] == usual).mean()) >= ALIKE if len(several) else False
    learned = (mixed >= LEAST and share >= MIXED and steady) or (mixed >= FEW and share >= SURE)
    most = int(rows["images"].max())
    return Sides(declared, usual if steady else most, most, mixed, defective, learned)


def contradicted(table: pd.DataFrame, conflicts: pd.DataFrame, cameras: Mapping[str, Camera]) -> dict[str, str]:
    """Camera whose labels contradict each other -> what to write where, if it photographs several sides of a part.

    Args:
        table: as of `of_cameras`, with the rows of `conflicts`, which contradict each other.
    """
    found = of_cameras(table, cameras)
    parts = piece.of(conflicts).groupby(conflicts["camera"]).nunique()
    return {str(name): _advice(str(name), int(parts[name]), found[str(name)]) for name in parts.index if name in found}


def _advice(name: str, parts: int, sides: Sides) -> str:
    if sides.count > 1:
        said = "cameras.yaml says" if sides.declared else "the labels of the other parts show"
        return (
            f"{name}: the labels of {parts} part(s) differ more than {sides.count} sides of a part allow ({said} that "
            f"it photographs so many). Correct the labels, or write how many sides there are as `sides` under {name} "
            "in cameras.yaml."
        )
    now = f"it says `sides: {sides.declared}` now" if sides.declared else "nothing is written there yet"
    return (
        f"{name}: the pictures of {parts} part(s) bear different labels. If {name} photographs several sides of a "
        f"part and a label speaks of one side, write how many under {name} in cameras.yaml, such as "
        f"`sides: {sides.likely}` ({now}): a good and a defective side of one part then contradict each other no more. "
        "If it takes every picture from the same side, correct the labels."
    )


def taken_for_granted(table: pd.DataFrame, cameras: Mapping[str, Camera]) -> dict[str, str]:
    """Camera that is taken to photograph several sides though cameras.yaml does not say so -> why, and what to write
    where.

    Args:
        table: as of `of_cameras`.
    """
    return {
        name: f"{name} is taken to photograph {one.count} sides of a part: of {one.defective} times that it took "
        f"several pictures of a part with a defect, {one.mixed} show good ones beside defective ones. Write "
        f"`sides: {one.count}` under {name} in cameras.yaml if that is right; if it takes every picture from the same "
        "side, write `sides: 1`: labels that differ within a part are set aside then."
        for name, one in of_cameras(table, cameras).items()
        if one.learned and one.declared is None
    }
