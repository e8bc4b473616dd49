"""Models: tags, requests and approvals against each other, and what the line executes against the last release."""

from collections.abc import Iterator

from inspection import git
from inspection.errors import AndonError
from inspection.layout import Layout
from inspection.model.package import intact, linked
from inspection.release import approval, registry
from inspection.verify.finding import Finding


def findings(layout: Layout) -> Iterator[Finding]:
    """What is wrong between a candidate and the line."""
    folder = layout.approvals.relative_to(layout.home).as_posix()
    yield from _of_tags(layout, folder)
    try:
        yield from _of_releases(layout)
    except AndonError as broken:
        yield Finding(folder, str(broken))
    yield from _of_line(layout)


def _of_tags(layout: Layout, folder: str) -> Iterator[Finding]:
    """Each version's tag names a commit that has its request, which still says the same."""
    for tag in git.run(layout.home, "tag", "--list", f"{registry.ARTIFACT}@*").splitlines():
        path = f"{folder}/{tag.removeprefix(f'{registry.ARTIFACT}@')}.request.json"
        then, now = (git.asked(layout.home, "rev-parse", "--quiet", "--verify", f"{at}:{path}") for at in (tag, "HEAD"))
        if not then:
            yield Finding(tag, f"The tag names a commit without {path}: nobody asked for this version there.")
        elif then != now:
            yield Finding(path, f"It is not what the tag {tag} has of it. `git restore --source={tag} -- {path}`.")


def _of_releases(layout: Layout) -> Iterator[Finding]:
    """Each release has its request, its approval for the same package by the same person, and its tag."""
    asked = {one.version: one for one in approval.requests(layout)}
    tags = set(git.run(layout.home, "tag", "--list").splitlines())
    for one in registry.history(layout):
        said = f"The history has a {one.action} of {one.version} by {one.by} on {one.at:%Y-%m-%d}"
        request = asked.get(one.version)
        if f"{registry.ARTIFACT}@{one.version}" not in tags:
            yield Finding(f"{registry.ARTIFACT}@{one.version}", f"{said}, but there is no tag of that version.")
        if request is None or request.package != one.package:
            yield Finding(f"approvals/{one.version}.request.json", f"{said}, but no request for that package.")
            continue
        given = approval.answer(layout, request)
        name = f"{layout.approvals.name}/{one.version}.json"
        if given is None or not given.approved or given.package != one.package:
            yield Finding(name, f"{said}, but no approval of that package.")
        elif one.action == "release" and given.by != one.by:
            yield Finding(name, f"{said}, but the approval is {given.by}'s.")


def _of_line(layout: Layout) -> Iterator[Finding]:
    """What `models/live` leads to is the package of the last release, byte for byte, and lies in `releases/`."""
    link = layout.live.relative_to(layout.home).as_posix()
    try:
        recorded = registry.live(layout)
    except AndonError:
        return  # the history is broken, and said to be
    if recorded is None:
        if layout.live.exists() or layout.live.is_symlink():
            yield Finding(link, "Something lies there, but the history knows no release.")
        return
    mend = f"Run `andon rollback {recorded.version} --by NAME`."
    place = linked(layout)
    if place is None and layout.live.exists():
        yield Finding(link, f"It is no link to a release, but the history says {recorded.version}. {mend}")
    elif place is None or not place.is_dir():
        yield Finding(link, f"It leads to nothing, but the history says {recorded.version}. {mend}")
    elif place.parent != layout.releases.resolve():
        yield Finding(link, f"It leads out of releases/, to {place}. {mend}")
    elif not intact(place, recorded.package):
        where = f"releases/{place.name[:12]}"
        yield Finding(link, f"What the line executes ({where}) is not the package of {recorded.version}. {mend}")
