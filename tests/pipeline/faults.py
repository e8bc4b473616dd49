"""Ingest under SIGKILL: every step that it takes, a process to be killed at one, and the proof that nothing is lost.

`python -m tests.pipeline.faults` is the zygote: it imports the flow once and forks a child for each ingest.
"""

import ast
import builtins
import hashlib
import importlib
import inspect
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import _GeneratorContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, update_wrapper
from pathlib import Path
from types import ModuleType
from typing import Any

import PIL.Image

import flows.batch
import flows.ingest
import flows.remote
import flows.tasks
import flows.versions
from benchmarks.kills.record import accepted, held_locks, refused
from flows.sending import Remote
from inspection import backlog, clock, git
from inspection.intake import arrivals, reading, staging
from inspection.intake import folder as inbox_folder
from inspection.intake.bucket import Bucket
from inspection.intake.dropped import capture_id
from inspection.intake.folder import Folder
from inspection.intake.returning import Returning
from inspection.layout import Layout
from inspection.network.features import Features
from inspection.records import batches, ledger, quarantine
from inspection.records.catalog import Catalog, open_catalog, rebuild
from tests.conftest import EVENING, make_plant, set_params
from tests.inspection.world import encoded, noise

ROOT = Path(__file__).parents[2]
NO_IMAGE = b"no image, and refused again whenever it comes back"
PATIENCE = 120.0  # seconds for one ingest

# The steps

OURS = ("flows", "inspection", "monitoring", "os", "posix", "shutil")
INGEST = (flows.ingest, flows.batch, arrivals, reading, staging)
OBJECTS: dict[str, tuple[type, ...]] = {
    "box": (Folder, Bucket, Returning),
    "catalog": (Catalog,),
    "features": (Features,),
    "arrived": (arrivals.Arrived,),
    "reader": (reading.Reader,),
    "remote": (Remote,),
    "staged": (staging.Staged,),
}
PATH_WRITES = ("write_bytes", "write_text", "mkdir", "unlink", "replace", "rename", "rmdir", "touch", "symlink_to")
HARMLESS = {  # functions of ours that change nothing, so that dying at one is dying at its neighbour
    "they compute": "_of_stage _mark_first _foreign not_ours _in_words named.pointed "
    "deployed quoted printable _full _causes _result _waits capture_id batches.next_partition "
    "self.measure images.decode images.largest naming.named naming.pattern picture.levels self._named "
    "self.sheets.row sheets.row rows.knows shown sidecar.is_sheet sidecar.read sidecar.settled "
    "sidecar.without_image masks.name masks.applied thumbnail said.as_json Sidecars _event _refused _suffix "
    "_named_columns _picture_columns arrived.portions whole dim _short _beside _notes _is _place self._key "
    "home_of is_aside Earliest.of engine returned.fold returned.gaps returned.told",
    "they read": "sight_on_line refuse_foreign is_own_inbox _of_no_use sheet.refused.in_words self._at _lstat _holds "
    "os.path.lexists "
    "Layout.find read_params read_cameras ledger.read ledger.files batches.digest batches.on_disk "
    "batches.read_columns backlog.read git.is_tracked writing.require os.environ.get _is_torn "
    "Remote remote.mark remote.there remote.listed identity.read",
    "they ask the time": "clock.now clock.machine clock.parse clock.stamp",
    "they show how far it is": "progress doing set_loggers_level",
}
LEAVING = {"Folder.remove", "Folder._remove", "put_aside", "put_back", "clear", "_renamed"}  # of folder.py
READ_ONLY = {"_holds", "_is", "_place", "_lstat", "is_aside", "home_of"}
REPLACED = b"no image, and replaced while it is taken in"
RETRAIN_ONLY = {"_of_stage"}  # ingest notes no revisions, so its push never gets there
FIRST_ONLY = {"_mark_first"}  # of a plant's first push: tests/flows/test_remote.py
CALLABLES = ("advance", "read", "cls")  # what a parameter holds
LIBRARIES = (
    *("json", "hashlib", "_hashlib", "pandas", "datetime", "collections", "contextlib", "functools", "pathlib"),
    *("dataclasses", "builtins"),
)
METHODS = """
    append add clear get items values setdefault popleft result submit join replace lower hexdigest exists glob resolve
    relative_to is_relative_to with_name read_text read_bytes stat startswith removeprefix rstrip
    as_posix
"""  # of text, lists, sets, dictionaries, deques, futures, hashes, and of paths those that read


@dataclass(frozen=True)
class Step:
    """A call with an effect: the function that makes it, the words it is made with, and what they stand for."""

    within: str
    call: str
    file: str
    targets: tuple[tuple[Any, str], ...] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.within}: {self.call}"


@cache
def steps() -> tuple[Step, ...]:
    """Every step of ingest, found in its source: the files of `INGEST`, what they use of `versions.py` and `remote.py`.

    Raises:
        AssertionError: a call is neither a step nor known to be harmless, or two steps have one name.
    """
    found: dict[str, Step] = {}
    apart = ((flows.versions, {"track"}), (flows.remote, {"push"}), (inbox_folder, LEAVING))
    for module, used in (*((one, None) for one in INGEST), *apart):
        for name, function in _functions(module, used):
            for step in _steps_in(module, name, function):
                assert found.setdefault(str(step), step).file == step.file, f"two files have a step {step}"
    return tuple(found.values())


def _names(module: ModuleType) -> dict[str, ast.FunctionDef]:
    """Qualified name -> each function and method that a module defines."""
    tree = ast.parse(inspect.getsource(module))
    plain = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {f"{c.name}.{m.name}": m for c in classes for m in c.body if isinstance(m, ast.FunctionDef)}
    return {**plain, **methods}


def _functions(module: ModuleType, used: set[str] | None) -> list[tuple[str, ast.FunctionDef]]:
    """The functions of a module, or those in `used` with all that they call."""
    known, wanted = _names(module), set(used or ())
    if used is None:
        return list(known.items())
    apart = RETRAIN_ONLY | FIRST_ONLY | READ_ONLY
    while more := {call for name in wanted for call in _called(known[name]) if call in known} - wanted - apart:
        wanted |= more
    return [(name, known[name]) for name in known if name in wanted]


def _called(function: ast.FunctionDef) -> set[str]:
    return {ast.unparse(node.func) for node in _calls(function)}


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    for statement in function.body:
        yield from (node for node in ast.walk(statement) if isinstance(node, ast.Call))


def _steps_in(module: ModuleType, name: str, function: ast.FunctionDef) -> Iterator[Step]:
    harmless = {one for text in HARMLESS.values() for one in text.split()}
    stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    local = stored | {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
    for call in _calls(function):
        words = ast.unparse(call.func)
        if words in harmless:
            continue
        if targets := _own(module, name, call.func) or _targets(module, function, call.func, local):
            yield Step(name, words, str(module.__file__), targets)


def _own(module: ModuleType, name: str, called: ast.expr) -> tuple[tuple[Any, str], ...]:
    """The place to patch of a call of a method of the class that it is made in."""
    match _chain(called):
        case ["self", method] if hasattr(owner := getattr(module, name.partition(".")[0]), method):
            return ((owner, method),)
    return ()


def _targets(
    module: ModuleType, function: ast.FunctionDef, called: ast.expr, local: set[str]
) -> tuple[tuple[Any, str], ...]:
    """The places to patch, none if the call is harmless."""
    chain = _chain(called)
    if chain and chain[0] not in local and (found := _look_up(module, function, chain)):
        owner, attribute = found
        return () if _is_harmless(getattr(owner, attribute)) else ((owner, attribute),)
    if isinstance(called, ast.Attribute):
        of = called.value.attr if isinstance(called.value, ast.Attribute) else ast.unparse(called.value)
        if of == "repo":
            return ((importlib.import_module("dvc.repo").Repo, called.attr),)
        if of in OBJECTS:
            return tuple((one, called.attr) for one in OBJECTS[of])
        if called.attr in PATH_WRITES and not (called.attr == "replace" and "[" in of):
            return ((Path, called.attr),)
        if called.attr in METHODS.split():
            return ()
    if chain and len(chain) == 1 and chain[0] in (*CALLABLES, *dir(builtins)):
        return ()
    raise AssertionError(
        f"{module.__name__}.{function.name} calls {ast.unparse(called)}: it is a new step, or belongs to HARMLESS"
    )


def _chain(called: ast.expr) -> list[str]:
    """`a.b.c` as its names; nothing for what does not begin with a name."""
    names: list[str] = []
    while isinstance(called, ast.Attribute):
        names.insert(0, called.attr)
        called = called.value
    return [called.id, *names] if isinstance(called, ast.Name) else []


def _look_up(module: ModuleType, function: ast.FunctionDef, chain: Sequence[str]) -> tuple[Any, str] | None:
    """Whatever holds the last name of a chain that begins with one of the module's, or with an import in a function."""
    imports = [node for node in ast.walk(function) if isinstance(node, ast.ImportFrom)]
    inside = {alias.name: str(node.module) for node in imports for alias in node.names}
    owner: Any = importlib.import_module(inside[chain[0]]) if chain[0] in inside else module
    for name in chain[:-1]:
        if not hasattr(owner, name):
            return None
        owner = getattr(owner, name)
    return (owner, chain[-1]) if hasattr(owner, chain[-1]) else None


def _is_harmless(target: Any) -> bool:
    """An error, a record, or something of a library that only computes."""
    if isinstance(target, type) and (issubclass(target, BaseException) or hasattr(target, "__dataclass_fields__")):
        return True
    home = str(getattr(target, "__module__", None) or getattr(type(target), "__module__", "")).split(".")[0]
    return home not in OURS and home in LIBRARIES


# The zygote and its children


def arm(name: str, moment: str) -> None:
    """Let this process die before the first call of a step, or after it has returned for the first time.

    Of what yields, it dies after the first item; of a context manager, once it is entered.
    """
    step = next(one for one in steps() if str(one) == name)
    if "put_back" in name:
        _replace_unseen()
    for owner, attribute in step.targets:
        setattr(owner, attribute, _deadly(step, getattr(owner, attribute), moment))


def _replace_unseen() -> None:
    """Before the inbox is emptied, what is `REPLACED` becomes its capitals, of the same size and time."""
    really = Folder.remove

    def remove(self: Folder, files: Any) -> Any:
        for path in (path for path in self.path.rglob("*") if path.is_file() and path.read_bytes() == REPLACED):
            time_of = path.stat().st_mtime_ns
            path.write_bytes(REPLACED.upper())
            os.utime(path, ns=(time_of, time_of))
        return really(self, files)

    Folder.remove = remove  # type: ignore[method-assign]


def _deadly(step: Step, real: Any, moment: str) -> Any:
    def called(*arguments: Any, **named: Any) -> Any:
        code = sys._getframe(1).f_code
        here = code.co_filename == step.file and code.co_qualname.split(".<locals>")[0] == step.within
        if here and moment == "before":
            _die()
        result = real(*arguments, **named)
        if not here or moment == "before":
            return result
        if isinstance(result, Iterator):
            return _first_and_die(result)
        return _enter_and_die(result) if isinstance(result, _GeneratorContextManager) else _die()

    with suppress(AttributeError, TypeError):
        update_wrapper(called, real)
    return called


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _first_and_die(items: Iterator[Any]) -> Iterator[Any]:
    for one in items:
        yield one
        break
    _die()


@contextmanager
def _enter_and_die(manager: Any) -> Iterator[Any]:
    with manager:
        _die()
        yield


def _serve() -> None:
    """Fork one child for each line of stdin; its answer is the child's process number."""
    _warm_up()
    assert threading.active_count() == 1, threading.enumerate()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    print("ready", flush=True)
    for line in sys.stdin:
        if not (child := os.fork()):
            _child(json.loads(line))
        print(child, flush=True)


def _warm_up() -> None:
    """Import what an ingest imports late; start nothing."""
    steps()
    for name in (
        *("dvc.repo", "dvc.scm", "dvc_render", "scmrepo.git", "dulwich.walk", "networkx", "psutil"),
        *("prefect.flow_engine", "prefect.task_engine", "prefect.client.orchestration", "fastapi", "anyio._backends"),
        *("great_expectations.expectations", "great_expectations.render.view", "jinja2.ext"),
        *("great_expectations.render.renderer.page_renderer", "onnx", "safetensors.numpy"),
    ):
        importlib.import_module(name)
    PIL.Image.init()


def _child(job: dict[str, Any]) -> None:
    """One ingest; its result or its error goes to a file, whose absence says that it was killed."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said = os.open(job["said"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ["ANDON_NOW"] = job["now"]
    outcome = Path(job["outcome"])
    try:
        if job["step"]:
            arm(job["step"], job["moment"])
        done = {"result": flows.tasks.run_here(flows.ingest.ingest, root=Path(job["plant"]))}
    except BaseException as error:  # noqa: BLE001  the parent reads it
        done = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    outcome.with_suffix(".part").write_text(json.dumps(done))
    os.replace(outcome.with_suffix(".part"), outcome)
    sys.stdout.flush()
    os._exit(0)


@dataclass(frozen=True)
class Child:
    """An ingest in a process of its own, whose process group is its own too."""

    pid: int
    handle: int  # pidfd: names this process and no later one
    outcome: Path
    said: Path

    def kill(self, group: bool) -> None:
        with suppress(ProcessLookupError):
            if group:
                os.killpg(self.pid, signal.SIGKILL)
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def wait(self, patience: float = PATIENCE) -> bool:
        """Whether it ended within `patience` seconds."""
        return bool(select.select([self.handle], [], [], max(patience, 0))[0])

    def end(self) -> dict[str, Any] | None:
        """What it returned or raised; None if it was killed."""
        if not self.wait():
            self.kill(group=True)
            raise AssertionError(f"an ingest took more than {PATIENCE:.0f} s: {self.said.read_text()[-2000:]}")
        os.close(self.handle)
        with suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads(self.outcome.read_text())
            return found
        return None


class Zygote:
    """Forks ingests. The process is started by `with`, and ended by its end."""

    def __init__(self, folder: Path) -> None:
        from prefect.settings import PREFECT_API_URL

        self._folder, self._jobs, self._lock = folder, 0, threading.Lock()
        environment = {
            **os.environ,
            "PREFECT_API_URL": str(PREFECT_API_URL.value()),
            "GX_ANALYTICS_ENABLED": "false",
            "DVC_NO_ANALYTICS": "1",
            **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.faults"],
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> "Zygote":
        assert self._answer() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)

    def start(self, layout: Layout, step: str = "", moment: str = "", now: datetime = EVENING) -> Child:
        """An ingest of this plant, which dies at `step` if one is given."""
        with self._lock:
            self._jobs += 1
            outcome = self._folder / f"{self._jobs}.json"
            outcome.with_suffix(".said").touch()
            job = {"plant": str(layout.root), "step": step, "moment": moment, "now": clock.stamp(now)}
            job |= {"outcome": str(outcome), "said": str(outcome.with_suffix(".said"))}
            assert self._process.stdin
            print(json.dumps(job), file=self._process.stdin, flush=True)
            pid = int(self._answer())
            return Child(pid, os.pidfd_open(pid), outcome, outcome.with_suffix(".said"))

    def run(self, layout: Layout, now: datetime = EVENING) -> dict[str, Any]:
        """The result of an undisturbed ingest."""
        done = self.start(layout, now=now).end()
        assert done and "result" in done, done["traceback"] if done else "killed by somebody else"
        result: dict[str, Any] = done["result"]
        return result

    def _answer(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


# What was dropped, and where it is


def small_plant(folder: Path, **settings: object) -> Layout:
    """A plant that uses sidecars and calls 4.3 MB a monster."""
    layout = make_plant(folder)
    set_params(layout, ingest__sidecar="*.csv", ingest__max_megapixels=0.05, **settings)
    return layout


def picture(seed: int, camera: str = "cam-1") -> bytes:
    """A picture such as a camera of the plant delivers, of other bytes for each seed."""
    return encoded(noise(seed, 128, 128) if camera == "cam-1" else noise(seed, 120, 160, 3))


class Drops:
    """Puts files into a plant's inbox and remembers all that it ever put there: capture -> key."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.captures, self.sheets = layout, dict[str, str](), list[bytes]()
        self.number = 0

    def put(self, key: str, content: bytes, age: timedelta = timedelta(days=2)) -> str:
        """Drop a file that was written `age` ago; its key."""
        path = self.layout.home / "inbox" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written = time.time_ns() - int(age.total_seconds() * 1e9)
        os.utime(path, ns=(written, written))
        self.captures[capture_id(key, hashlib.sha256(content).hexdigest())] = key
        return key

    def shot(self, camera: str = "cam-1", content: bytes | None = None) -> str:
        """A new picture under a name that says everything; its key."""
        self.number += 1
        part = "bracket" if camera == "cam-1" else "panel"
        key = f"{camera}/{part}/s{self.number:05d}/20261102T061512{self.number % 1000:03d}Z.png"
        return self.put(key, picture(self.number, camera) if content is None else content)

    def early(self) -> str:
        """A new picture from a clock that goes wrong, which the contract refuses; its key."""
        self.number += 1
        key = f"cam-1/bracket/s{self.number:05d}/20991102T061512{self.number % 1000:03d}Z.png"
        return self.put(key, picture(self.number))

    def described(self) -> str:
        """A new picture whose name says nothing, with its sheet; its key."""
        self.number += 1
        key = f"loose/{self.number}.png"
        self.put(key, picture(self.number))
        rows = f"{self.number}.png,cam-1,bracket,s{self.number:05d},20261102T061512Z"
        self.sheet(f"loose/{self.number}.csv", f"file,camera,part,serial,captured_at\n{rows}\n", timedelta(0))
        return key

    def sheet(self, key: str, text: str, age: timedelta, refused: bool = False) -> None:
        """A sidecar; one that is not refused is to be found beside the images that it describes."""
        self.put(key, text.encode(), age)
        if not refused:
            del self.captures[capture_id(key, hashlib.sha256(text.encode()).hexdigest())]
            self.sheets.append(text.encode())

    def again(self, key: str) -> str:
        """The picture of that name as it was, if `shot` made it."""
        camera, _, serial, _ = key.split("/")
        return self.put(key, picture(int(serial[1:]), camera))

    def renewed(self, key: str) -> str:
        """Another picture under a name that was used before."""
        self.number += 1
        return self.put(key, picture(self.number, key.partition("/")[0]))

    def monster(self) -> str:
        """A file that is too large, always the same; its key."""
        return self.put("cam-1/bracket/monster/20261102T061512Z.png", bytes(4_300_100))

    def replaced(self) -> None:
        """What is replaced by its capitals while it is taken in, by a child that `arm` told so."""
        key = self.shot(content=REPLACED)
        self.captures[capture_id(key, hashlib.sha256(REPLACED.upper()).hexdigest())] = key

    def long_named(self) -> None:
        """A picture whose name can have nothing before it."""
        self.number += 1
        name = f"20261102T061512{self.number % 1000:03d}Z."
        self.put(f"cam-1/bracket/s{self.number:05d}/{name:n<250}", picture(self.number))

    def everything(self, known: Sequence[str]) -> None:
        """One of each kind: good, described, known, under a known name, broken, in colour, early, too large;
        and sheets that cannot be read and that no image comes for."""
        self.again(known[0])
        self.renewed(known[1])
        self.monster()
        for camera in ("cam-1", "cam-1", "cam-2"):
            self.shot(camera)
        self.described()
        self.shot(content=f"no image {self.number}".encode())
        self.shot(content=picture(self.number, "cam-2"))  # in colour, from a grey camera
        self.early()
        self.shot(content=bytes(4_300_200 + self.number))
        self.sheet(f"bad-{self.number}.csv", f"neither,nor\n{self.number},2\n", timedelta(days=2), refused=True)
        lone = f"file,serial\nnever-{self.number}.png,1\n"
        self.sheet(f"lone-{self.number}.csv", lone, timedelta(days=2), refused=True)
        self.returning()

    def returning(self) -> None:
        """What is no image and was refused comes back, to be refused again."""
        catalog = open_catalog(self.layout)
        kept = quarantine.every(self.layout, catalog)
        catalog.close()
        some = [one for one in kept if (self.layout.home / one.path).read_bytes() == NO_IMAGE]
        quarantine.rule(self.layout, some, quarantine.RETRIED, "Tess", "")


@dataclass(frozen=True)
class Count:
    """How many captures were dropped, and how many of them are where they must not be."""

    captures: int
    lost: int
    doubled: int
    both: int
    strange: int  # taken in, but never dropped

    def __str__(self) -> str:
        return f"captures: {self.captures}, lost {self.lost}, doubled {self.doubled}, in both {self.both}"


def count(drops: Drops) -> Count:
    """Look for every capture in the manifests and in quarantine; the bytes of each are those that were dropped.

    Raises:
        AssertionError: bytes that are not those of their row.
    """
    layout = drops.layout
    taken, turned_down = Counter(accepted(layout)), Counter(refused(layout))
    every = taken + turned_down
    return Count(
        captures=len(drops.captures),
        lost=len(drops.captures.keys() - every.keys()),
        doubled=sum(number > 1 for number in (*taken.values(), *turned_down.values())),
        both=len(taken.keys() & turned_down.keys()),
        strange=len(every.keys() - drops.captures.keys()),
    )


def check_files(drops: Drops) -> Count:
    """Nothing is lost, doubled or left behind, and git and the ledger agree with the disk."""
    layout = drops.layout
    found = count(drops)
    assert (found.lost, found.doubled, found.both, found.strange) == (0, 0, 0, 0), found
    assert [str(path) for path in (layout.home / "inbox").rglob("*") if path.is_file()] == []
    assert not layout.staging.exists()
    assert git.run(layout.home, "status", "--porcelain") == ""
    recorded = {e.body["batch"]: e.body["manifest"] for e in ledger.read(layout) if e.kind == "batch"}
    assert len(recorded) == sum(event.kind == "batch" for event in ledger.read(layout))
    assert recorded == {path.name: batches.digest(path / batches.MANIFEST) for path in batches.on_disk(layout)}
    kept = {path.read_bytes() for path in layout.batches.glob(f"*/*/{staging.SHEETS}/*.csv")}
    assert set(drops.sheets) <= kept
    return found


def check(drops: Drops) -> Count:
    """As `check_files`; the catalog, DVC and its remote agree too, nothing waits and no lock is held."""
    layout = drops.layout
    found = check_files(drops)
    assert all(rebuild(layout).values())
    assert backlog.read(layout).waiting == ()
    partitions = [str(path) for path in sorted(layout.batches.glob("*.dvc"))]
    with flows.versions.repository(layout.home) as repo:
        for cloud in (False, True):
            assert not partitions or repo.status(targets=partitions, cloud=cloud) == {}
    assert (held := held_locks(layout)) == [], held
    return found


def check_clone(layout: Layout, folder: Path) -> int:
    """A fresh clone gets every accepted image from the remote; how many."""
    git.run(layout.home, "clone", "--quiet", str(layout.home), str(folder))
    (folder / ".dvc" / "config.local").write_text(f"['remote \"local\"']\n    url = {layout.home / '.remote'}\n")
    with flows.versions.repository(folder) as repo:
        repo.pull(targets=[str(path) for path in sorted((folder / "data" / "batches").glob("*.dvc"))])
    clone = Layout(folder, folder)
    assert sorted(accepted(clone)) == sorted(accepted(layout))
    return len(list(accepted(clone)))


def in_plants(todo: Sequence[Any], act: Callable[[Sequence[Any]], Any], workers: int = 2) -> list[Any]:
    """What `act` makes of the shares of `todo`, all at once."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(act, [todo[number::workers] for number in range(workers)]))


def copy_plant(layout: Layout, folder: Path) -> Layout:
    """The same plant at another place."""
    shutil.copytree(layout.home, folder, symlinks=True)
    return Layout(folder.resolve(), folder.resolve())


if __name__ == "__main__":
    _serve()
