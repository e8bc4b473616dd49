"""Where things lie on the disk."""

from dataclasses import dataclass
from pathlib import Path

from inspection.errors import FixSettings


@dataclass(frozen=True)
class Layout:
    """The paths of one plant.

    `root` is the checkout that a process works in: what git and the pipeline's stages know. `home` is the
    checkout that the plant lives in. They differ only in a git worktree or a temporary DVC experiment,
    which share the plant's images, releases and features instead of copying them.
    """

    root: Path
    home: Path

    @classmethod
    def find(cls, start: Path | None = None) -> "Layout":
        """The layout of the checkout around `start` (default: the current folder).

        Raises:
            FixSettings: no folder above holds a dvc.yaml beside a params.yaml.
        """
        here = (start or Path()).resolve()
        for folder in (here, *here.parents):
            if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
                return cls(folder, _home(folder))
        raise FixSettings(f"{here} is not inside a plant: run andon where dvc.yaml and params.yaml are.")

    # settings
    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def cameras(self) -> Path:
        return self.root / "cameras.yaml"

    @property
    def taxonomy(self) -> Path:
        return self.root / "taxonomy.yaml"

    @property
    def stages(self) -> Path:
        """The fingerprint of each stage's code, as DVC compares it."""
        return self.root / "stages.json"

    # what git keeps
    @property
    def masks(self) -> Path:
        """Where models must not look."""
        return self.root / "masks"

    @property
    def ledger(self) -> Path:
        return self.home / "data" / "ledger"

    @property
    def identity(self) -> Path:
        """Which plant this is, and whether its remote was marked."""
        return self.home / "data" / "plant.json"

    @property
    def cut(self) -> Path:
        return self.root / "data" / "cut.json"

    @property
    def assignments(self) -> Path:
        return self.root / "data" / "assignments"

    @property
    def champion(self) -> Path:
        return self.root / "models" / "champion.json"

    @property
    def approvals(self) -> Path:
        return self.home / "approvals"

    @property
    def references(self) -> Path:
        return self.home / "references"

    @property
    def history(self) -> Path:
        return self.home / "releases" / "history.jsonl"

    # what DVC keeps
    @property
    def batches(self) -> Path:
        return self.home / "data" / "batches"

    @property
    def snapshot(self) -> Path:
        return self.root / "data" / "snapshot.parquet"

    @property
    def set_aside(self) -> Path:
        return self.root / "data" / "set-aside.parquet"

    @property
    def alike(self) -> Path:
        """Pairs of near-duplicates."""
        return self.root / "data" / "alike.parquet"

    @property
    def split(self) -> Path:
        return self.root / "data" / "split.parquet"

    @property
    def plan(self) -> Path:
        return self.reports / "plan.json"

    @property
    def costs(self) -> Path:
        """Unit costs of networks, measured once and committed."""
        return self.root / "models" / "costs.json"

    @property
    def features(self) -> Path:
        return self.root / "data" / "features.parquet"

    @property
    def candidate(self) -> Path:
        return self.root / "models" / "candidate"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    # what only this disk keeps
    @property
    def watched(self) -> Path:
        """Reports, pictures and lists of suspect parts, for people."""
        return self.home / "data" / "watch"

    @property
    def contract(self) -> Path:
        """What the contract said of each batch: JSON, and pages for the browser."""
        return self.home / "data" / "contract"

    @property
    def staging(self) -> Path:
        return self.home / "data" / "staging"

    @property
    def quarantine(self) -> Path:
        return self.home / "data" / "quarantine"

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def live(self) -> Path:
        return self.home / "models" / "live"

    @property
    def state(self) -> Path:
        """Locks, the catalog, the feature store: everything here can be made again."""
        return self.home / ".andon"

    @property
    def backbones(self) -> Path:
        """Pretrained networks as graphs."""
        return self.state / "backbones"

    @property
    def catalog(self) -> Path:
        return self.state / "catalog.sqlite"


def _home(root: Path) -> Path:
    """The main checkout behind `root`: itself, the owner of a git worktree, or of a DVC experiment."""
    if ".dvc" in root.parts:
        return _home(Path(*root.parts[: root.parts.index(".dvc")]))
    dot_git = root / ".git"
    if dot_git.is_file():  # a worktree: "gitdir: /plant/.git/worktrees/NAME"
        git_dir = Path(dot_git.read_text().removeprefix("gitdir:").strip())
        if git_dir.parent.name == "worktrees":
            return git_dir.parent.parent.parent
    return root
