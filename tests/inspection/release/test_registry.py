import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inspection import chain, clock, git
from inspection.errors import AskForApproval, CheckHistory, FixInput
from inspection.layout import Layout
from inspection.model.package import MODEL, package_hash
from inspection.release import registry
from tests.inspection.world import NOON, fake_package, repository
from tests.inspection.world import git as plain


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    repository(tmp_path)
    return Layout(tmp_path, tmp_path)


def installed(layout: Layout, mark: str) -> str:
    """The hash of a package that lies in releases/."""
    source = layout.root / "made" / mark
    package = package_hash(source) if source.exists() else fake_package(source, mark)
    registry.install(layout, source, package)
    return package


def body(version: str, package: str, action: str = "release") -> dict[str, str]:
    return {"version": version, "package": package, "action": action, "reason": "test"}


def release(layout: Layout, mark: str, version: str, days: float = 0, keep: int = 5) -> str:
    package = installed(layout, mark)
    with clock.at(NOON + timedelta(days=days)):
        registry.release(layout, body(version, package), "Ute", keep)
    return package


def intend(layout: Layout, version: str, package: str, commit: bool = True) -> None:
    """Write the intent line (and commit it) and no more, as a process that is killed then."""
    write(layout, "intent", version, package)
    if commit:
        git.commit(layout.home, [layout.history], "Intent")


def write(layout: Layout, kind: str, version: str, package: str) -> None:
    """Add a line to the history and no more."""
    events = list(chain.read([layout.history]))
    with clock.at(NOON + timedelta(days=1)):
        chain.append(layout.history, events[-1] if events else None, kind, "Ute", [body(version, package)])


def swap(layout: Layout, package: str) -> None:
    """Point models/live to a package and no more."""
    layout.live.parent.mkdir(exist_ok=True)
    layout.live.unlink(missing_ok=True)
    layout.live.symlink_to(Path("..") / "releases" / package)


def on_line(layout: Layout) -> str:
    return (layout.live / MODEL).read_text()


def test_before_the_first_release_nothing_is_live_and_nothing_differs(layout: Layout) -> None:
    assert registry.live(layout) is None and registry.history(layout) == [] and registry.difference(layout) is None


def test_a_release_is_on_the_line_and_in_the_history(layout: Layout) -> None:
    package = release(layout, "x", "v1.0.0")
    assert on_line(layout) == "x" and package_hash(layout.live) == package
    (past,) = registry.history(layout)
    assert (past.version, past.package, past.action, past.by, past.at) == ("v1.0.0", package, "release", "Ute", NOON)
    assert [event.kind for event in chain.read([layout.history])] == ["intent", "done"]
    assert registry.difference(layout) is None


def test_the_plant_may_be_moved_with_its_release(layout: Layout, tmp_path: Path) -> None:
    release(layout, "x", "v1.0.0")
    (tmp_path / "new").mkdir()
    for name in ("models", "releases", ".git"):
        shutil.move(tmp_path / name, tmp_path / "new" / name)
    moved = Layout(tmp_path / "new", tmp_path / "new")
    assert on_line(moved) == "x" and registry.difference(moved) is None


def test_what_was_live_at_a_moment_can_be_asked(layout: Layout) -> None:
    release(layout, "x", "v1.0.0", days=0)
    release(layout, "y", "v1.1.0", days=2)
    release(layout, "x", "v1.0.0", days=4)
    at = {days: registry.live(layout, at=NOON + timedelta(days=days)) for days in (-1, 0, 1, 2, 3, 4, 99)}
    versions = {days: past.version if past else None for days, past in at.items()}
    assert versions == {-1: None, 0: "v1.0.0", 1: "v1.0.0", 2: "v1.1.0", 3: "v1.1.0", 4: "v1.0.0", 99: "v1.0.0"}


def test_what_is_live_now_is_the_last_release_even_if_the_clock_was_set_back(layout: Layout) -> None:
    release(layout, "x", "v1.0.0", days=1)
    with clock.at(NOON):
        past = registry.live(layout)
    assert past is not None and past.version == "v1.0.0"


@pytest.mark.parametrize("swapped", [False, True])
def test_a_release_that_was_killed_before_or_after_the_swap_is_named_and_then_completed(
    layout: Layout, swapped: bool
) -> None:
    release(layout, "x", "v1.0.0")
    package = installed(layout, "y")
    intend(layout, "v1.1.0", package)
    if swapped:
        swap(layout, package)
        words = registry.difference(layout)
        assert words is not None and package[:12] in words and "the history says v1.0.0" in words
    before = registry.live(layout, at=NOON + timedelta(days=9))
    assert before is not None and before.version == "v1.0.0"  # an intent is not a release
    registry.finish(layout)
    assert on_line(layout) == "y" and registry.difference(layout) is None
    assert [past.version for past in registry.history(layout)] == ["v1.0.0", "v1.1.0"]
    assert registry.history(layout)[-1].by == "Ute"
    registry.finish(layout)
    assert len(registry.history(layout)) == 2


def test_a_release_that_was_announced_and_never_carried_out_is_named(layout: Layout) -> None:
    release(layout, "x", "v1.0.0")
    package = installed(layout, "y")
    intend(layout, "v1.1.0", package)
    words = str(registry.difference(layout))
    assert "v1.1.0" in words or package[:12] in words


def test_a_first_release_that_was_killed_after_the_swap_is_named(layout: Layout) -> None:
    package = installed(layout, "x")
    intend(layout, "v1.0.0", package)
    swap(layout, package)
    assert "the history knows no release" in str(registry.difference(layout))
    registry.finish(layout)
    assert registry.difference(layout) is None


def test_the_next_release_completes_the_one_that_was_interrupted(layout: Layout) -> None:
    intend(layout, "v1.0.0", installed(layout, "x"))
    release(layout, "y", "v1.1.0", days=2)
    assert [past.version for past in registry.history(layout)] == ["v1.0.0", "v1.1.0"] and on_line(layout) == "y"


def test_an_intent_line_that_was_torn_never_happened(layout: Layout) -> None:
    release(layout, "x", "v1.0.0")
    whole = layout.history.read_bytes()
    intend(layout, "v1.1.0", installed(layout, "y"), commit=False)
    layout.history.write_bytes(layout.history.read_bytes()[:-9])
    registry.finish(layout)
    assert on_line(layout) == "x"
    release(layout, "z", "v1.2.0", days=2)
    assert layout.history.read_bytes().startswith(whole) and len(registry.history(layout)) == 2


def test_an_interrupted_release_whose_package_is_gone_does_not_take_the_line_down(layout: Layout) -> None:
    release(layout, "x", "v1.0.0")
    package = installed(layout, "y")
    intend(layout, "v1.1.0", package)
    shutil.rmtree(layout.releases / package)
    try:
        registry.finish(layout)
    except (FixInput, CheckHistory) as error:
        assert package[:12] in str(error) or "v1.1.0" in str(error)
    assert on_line(layout) == "x"


def test_every_difference_between_disk_and_history_is_named(layout: Layout) -> None:
    first, second = release(layout, "x", "v1.0.0"), release(layout, "y", "v1.1.0", days=1)
    swap(layout, first)
    assert f"models/live points to {first[:12]}, but the history says v1.1.0" in str(registry.difference(layout))
    layout.live.unlink()
    assert "models/live is no link to a release, but the history says v1.1.0" in str(registry.difference(layout))
    swap(layout, second)
    (layout.releases / second / MODEL).write_text("z")
    assert f"releases/{second[:12]} is missing or changed" in str(registry.difference(layout))
    shutil.rmtree(layout.releases / second)
    assert f"releases/{second[:12]} is missing or changed" in str(registry.difference(layout))


def test_a_package_that_lost_a_file_is_named_refused_and_installed_again(layout: Layout) -> None:
    package = release(layout, "x", "v1.0.0")
    (layout.releases / package / MODEL).unlink()
    assert f"releases/{package[:12]} is missing or changed" in str(registry.difference(layout))
    with pytest.raises(FixInput, match="missing or changed"):
        registry.release(layout, body("v1.0.0", package), "Ute", 5)
    installed(layout, "x")
    assert registry.difference(layout) is None


def test_a_changed_line_of_the_history_is_noticed(layout: Layout) -> None:
    release(layout, "x", "v1.0.0")
    layout.history.write_bytes(layout.history.read_bytes().replace(b'"by":"Ute"', b'"by":"Udo"', 1))
    with pytest.raises(CheckHistory, match=r"history\.jsonl"):
        registry.live(layout)


def test_a_missing_or_changed_package_does_not_go_to_the_line(layout: Layout) -> None:
    release(layout, "x", "v1.0.0")
    package = installed(layout, "y")
    (layout.releases / package / MODEL).write_text("z")
    for wrong in (package, "f" * 64):
        with pytest.raises(FixInput, match=f"releases/{wrong[:12]} is missing or changed"):
            registry.release(layout, body("v1.1.0", wrong), "Ute", 5)
    assert on_line(layout) == "x" and len(registry.history(layout)) == 1
    assert [event.kind for event in chain.read([layout.history])] == ["intent", "done"]


def test_only_the_package_that_was_registered_can_be_installed(layout: Layout) -> None:
    fake_package(layout.root / "made" / "x", "x")
    with pytest.raises(CheckHistory, match="is not the package ffffffffffff"):
        registry.install(layout, layout.root / "made" / "x", "f" * 64)
    assert not layout.releases.exists() or not any(layout.releases.iterdir())


def test_what_a_killed_copy_left_is_cleared_by_the_next(layout: Layout) -> None:
    left = layout.releases / f".{'0' * 64}.part"
    left.mkdir(parents=True)
    (left / MODEL).write_text("half")
    package = release(layout, "x", "v1.0.0")
    assert [path.name for path in layout.releases.iterdir() if path.is_dir()] == [package]


def test_whether_it_may_is_asked_when_nothing_can_come_between(layout: Layout) -> None:
    first, second = release(layout, "x", "v1.0.0"), installed(layout, "y")

    def superseded() -> None:
        raise AskForApproval("v1.1.0 is superseded")

    with pytest.raises(AskForApproval, match="superseded"):
        registry.release(layout, body("v1.1.0", second), "Ute", 5, superseded)
    assert on_line(layout) == "x" and [past.package for past in registry.history(layout)] == [first]


def test_a_rollback_needs_nothing_but_the_disk(layout: Layout) -> None:
    first = release(layout, "x", "v1.0.0")
    release(layout, "y", "v1.1.0", days=1)
    shutil.rmtree(layout.root / "made")
    with clock.at(NOON + timedelta(days=2)):
        back = registry.release(layout, body("v1.0.0", first, "rollback"), "Theo", 5)
    assert (back.action, back.by, on_line(layout)) == ("rollback", "Theo", "x")
    assert [past.action for past in registry.history(layout)] == ["release", "release", "rollback"]


def test_the_last_different_packages_stay_on_the_disk(layout: Layout) -> None:
    packages = [release(layout, mark, f"v1.{n}.0", days=n, keep=3) for n, mark in enumerate("abcd")]
    release(layout, "c", "v1.2.0", days=5, keep=3)  # a rollback needs no more room
    kept = {path.name for path in layout.releases.iterdir() if path.is_dir()}
    assert kept == {packages[1], packages[2], packages[3]}
    assert on_line(layout) == "c" and len(registry.history(layout)) == 5


def test_a_package_that_waits_for_its_release_survives_the_release_of_another(layout: Layout) -> None:
    waiting = installed(layout, "y")
    release(layout, "x", "v1.0.0", keep=2)
    with clock.at(NOON + timedelta(days=1)):
        registry.release(layout, body("v1.1.0", waiting), "Ute", 2)
    assert on_line(layout) == "y"


@pytest.mark.parametrize(
    ("versions", "same", "following"),
    [
        ([], True, "v1.0.0"),
        (["v1.0.0"], True, "v1.1.0"),
        (["v1.0.0"], False, "v2.0.0"),
        (["v2.0.0", "v1.12.0", "v1.9.0"], True, "v2.1.0"),
        (["v1.9.0", "v1.10.0"], True, "v1.11.0"),
        (["v9.0.0", "v10.3.0"], False, "v11.0.0"),
    ],
)
def test_versions_count_up_by_number(versions: list[str], same: bool, following: str) -> None:
    assert registry.next_version(versions, same) == following


def test_gto_s_index_names_the_version_and_what_is_live_and_an_older_one_can_be_live_again(repo: Layout) -> None:
    revision = git.run(repo.home, "rev-parse", "HEAD")
    for _ in range(2):  # a second time changes nothing
        registry.register(repo, "v1.0.0", revision, "new stains (Tess)")
    plain(repo.home, "commit", "--quiet", "--allow-empty", "--message", "The next candidate")
    registry.register(repo, "v1.1.0", git.run(repo.home, "rev-parse", "HEAD"), "rust (Tess)")
    for version in ("v1.0.0", "v1.1.0", "v1.0.0"):
        registry.assign(repo, version, f"release by Ute of {version}")
    tags = plain(repo.home, "tag", "--list").splitlines()
    assert [tag for tag in tags if "#" not in tag] == ["model@v1.0.0", "model@v1.1.0"]
    assert sorted(tag for tag in tags if "#" in tag) == ["model#live#1", "model#live#2", "model#live#3"]
    assert plain(repo.home, "rev-parse", "model@v1.0.0^{commit}") == revision


# what is executed is what was released


def elsewhere(layout: Layout, package: str) -> Path:
    """A copy of a release's package outside releases/, under the same name."""
    away = layout.root / "elsewhere" / package
    shutil.copytree(layout.releases / package, away)
    return away


def relinked(layout: Layout, target: Path) -> None:
    layout.live.unlink(missing_ok=True)
    layout.live.symlink_to(target)


@pytest.mark.parametrize(
    "way", ["same name elsewhere", "dangling", "the release is a link", "a link within it", "loop"]
)
def test_a_link_that_leads_to_anything_but_the_release_is_named_and_nothing_is_on_the_line(
    layout: Layout, way: str
) -> None:
    package = release(layout, "x", "v1.0.0")
    away = elsewhere(layout, package)
    if way == "same name elsewhere":
        (away / MODEL).write_text("z")
        relinked(layout, away)
    elif way == "dangling":
        relinked(layout, Path("..") / "gone" / package)
    elif way == "the release is a link":
        shutil.rmtree(layout.releases / package)
        (layout.releases / package).symlink_to(away)
    elif way == "a link within it":
        (layout.releases / package / MODEL).unlink()
        (layout.releases / package / MODEL).symlink_to(away / MODEL)
    else:
        relinked(layout, layout.live)
    words = registry.difference(layout)
    assert words is not None and "andon rollback" in words and registry.on_line(layout) is None
    installed(layout, "x")
    with clock.at(NOON + timedelta(days=1)):
        registry.release(layout, body("v1.0.0", package, "rollback"), "Ute", 5)
    line = registry.on_line(layout)
    assert line is not None and (line.release.version, line.folder) == ("v1.0.0", layout.releases.resolve() / package)
    assert registry.difference(layout) is None and on_line(layout) == "x"


# only what is committed counts


def test_a_release_that_nobody_committed_is_named_and_goes_nowhere(layout: Layout) -> None:
    first, forged = release(layout, "x", "v1.0.0"), installed(layout, "z")
    write(layout, "intent", "v9.0.0", forged)
    write(layout, "done", "v9.0.0", forged)
    swap(layout, forged)
    words = str(registry.difference(layout))
    assert "the last 2 lines of releases/history.jsonl are not committed" in words and "git restore" in words
    assert registry.on_line(layout) is None
    with pytest.raises(CheckHistory, match=r"releases/history\.jsonl are not committed.*Nothing was released"):
        registry.release(layout, body("v1.0.0", first, "rollback"), "Ute", 5)
    git.run(layout.home, "restore", "releases/history.jsonl")
    with clock.at(NOON + timedelta(days=1)):
        registry.release(layout, body("v1.0.0", first, "rollback"), "Ute", 5)
    assert on_line(layout) == "x" and registry.difference(layout) is None


def test_a_history_that_was_cut_short_or_made_anew_is_named(layout: Layout) -> None:
    package = release(layout, "x", "v1.0.0")
    whole = layout.history.read_bytes()
    layout.history.write_bytes(whole[: whole.index(b"\n") + 1])
    assert "is not what was committed" in str(registry.difference(layout))
    layout.history.unlink()
    assert "is not what was committed" in str(registry.difference(layout)) and registry.on_line(layout) is None
    with pytest.raises(CheckHistory, match="git restore"):
        registry.release(layout, body("v1.0.0", package), "Ute", 5)


def test_every_line_of_a_release_is_committed_and_the_index_is_written_before_the_swap(layout: Layout) -> None:
    release(layout, "x", "v1.0.0")
    second, seen = installed(layout, "y"), []

    def index() -> None:
        kept = git.committed(layout.history) or b""
        seen.append((on_line(layout), kept == layout.history.read_bytes(), kept.splitlines()[-1]))

    registry.release(layout, body("v1.1.0", second), "Ute", 5, index=index)
    [(before, committed, last)] = seen
    assert before == "x" and committed and b'"kind":"intent"' in last
    assert git.committed(layout.history) == layout.history.read_bytes() and on_line(layout) == "y"


def test_what_cannot_be_indexed_leaves_the_line_as_it_was(layout: Layout) -> None:
    first, second = release(layout, "x", "v1.0.0"), installed(layout, "y")

    def index() -> None:
        raise FixInput("v1.1.0 is not registered")

    with pytest.raises(FixInput, match="not registered"):
        registry.release(layout, body("v1.1.0", second), "Ute", 5, index=index)
    assert on_line(layout) == "x" and registry.difference(layout) is None
    assert [past.package for past in registry.history(layout)] == [first]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["_append", "_commit", "_swap"])
@pytest.mark.parametrize("time", [1, 2])
@pytest.mark.parametrize("after", [False, True])
def test_killed_before_or_after_any_step_the_next_release_finishes_it_or_takes_it_back(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, step: str, time: int, after: bool
) -> None:
    first, second = release(layout, "x", "v1.0.0"), installed(layout, "y")
    real, times = getattr(registry, step), []

    def killed(*given: Any) -> Any:
        times.append(step)
        if len(times) > time:
            raise Killed  # the dead do nothing more
        if len(times) == time and not after:
            raise Killed
        done = real(*given)
        if len(times) == time:
            raise Killed
        return done

    with monkeypatch.context() as patched:
        patched.setattr(registry, step, killed)
        with suppress(Killed), clock.at(NOON + timedelta(days=1)):
            registry.release(layout, body("v1.1.0", second), "Ute", 5)
    line = registry.on_line(layout)
    assert line is None or on_line(layout) == ("x" if line.release.package == first else "y")
    with clock.at(NOON + timedelta(days=2)):
        registry.release(layout, body("v1.1.0", second), "Ute", 5)
    assert on_line(layout) == "y" and registry.difference(layout) is None
    assert [past.version for past in registry.history(layout)] == ["v1.0.0", "v1.1.0"]
    assert git.committed(layout.history) == layout.history.read_bytes()
