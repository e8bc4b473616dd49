"""A process that turns bytes into pixels for this one: what its C libraries say is heard, and it can be ended.

libjpeg, libpng and libtiff write their warnings to the error stream of the process that they work in, and to nowhere
else. So they work in one of their own, which hears them, keeps one file after the other, and ends with this process.
"""

import fcntl
import json
import math
import os
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

import inspection
from inspection.errors import FixInput

SECONDS, SECONDS_A_MEGAPIXEL = 1.0, 0.2  # of processor time; an ordinary picture takes a tenth of it
PATIENCE = 60  # times that by the clock on the wall: of a computer that is busy otherwise a picture has a sixtieth
LARGE = 2**26  # bytes of a picture, from which it is heard first where that takes less memory than to decode it
SPARE = 128 * 2**20  # bytes beside the picture; of that itself four times as much: progressive JPEG holds it twice over
_KEEPS = {  # pages of 32 MB at most, from one picture to the next: to get them anew costs as much as decoding a JPEG
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**26),
}
_ROWS = 256  # of a picture that are turned from blue to red first at once
_PIPE = 2**20  # bytes in a pipe: fewer turns between the two processes
_ASKED = struct.Struct("<QQd??")  # bytes of the file and of memory that it may take, seconds, in colour, heard first
_TOLD = struct.Struct("<I")  # bytes of the answer's JSON; the pixels follow
_PREFIX = re.compile(r"\[ *\w+:\d+@[\d.]+\] global \S+ (?:TIFF_\w+ )?")
_PROGRESSIVE = re.compile(rb"\xff\xc2")  # how the frame of such a JPEG begins; no pixels hold these two bytes
_HARMLESS = re.compile(r"Unknown field with tag \d+")  # a camera's private TIFF tag
_idle: "list[_Process]" = []
_guard = threading.Lock()


def decoded(content: bytes, pixels: int, size: int, colour: bool) -> tuple[NDArray[Any], str]:
    """The pixels as (H, W) or (H, W, C), red first, and what the decoder remarked: "" of a sound file.

    Args:
        pixels: that the header claims, and `size` the bytes that they take: what the budget follows.

    Raises:
        FixInput: there are no pixels to be had, or not within the budget.
    """
    with _process() as process:
        asked = (4 * size + SPARE, SECONDS + SECONDS_A_MEGAPIXEL * pixels / 1e6, colour, size > LARGE)
        return process.decoded(content, *asked)


class _Process:
    """Which decodes one file after the other."""

    def __init__(self) -> None:
        home = str(Path(inspection.__file__).parents[1])
        path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            process_group=0,  # Ctrl-C is for who asks: it ends with the pipe
            env={**os.environ, **_KEEPS, "PYTHONPATH": path, "OPENCV_LOG_LEVEL": "WARNING"},
        )
        assert self._popen.stdin and self._popen.stdout
        self._asks: IO[bytes] = self._popen.stdin
        self._answers: IO[bytes] = self._popen.stdout
        for pipe in (self._asks, self._answers):
            with suppress(OSError):  # a system with smaller ones
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)

    @property
    def lives(self) -> bool:
        return self._popen.poll() is None

    def decoded(
        self, content: bytes, memory: int, seconds: float, colour: bool, first: bool
    ) -> tuple[NDArray[Any], str]:
        try:
            _write(self._asks, (_ASKED.pack(len(content), memory, seconds, colour, first), content))
            if not select.select([self._answers], [], [], PATIENCE * seconds)[0]:
                self.end()
                words = f"this computer was too busy to decode it within {PATIENCE * seconds:.0f} s"
                raise FixInput(f"{words}: make room, then `andon quarantine retry`")
            told = json.loads(_read(self._answers, _TOLD.unpack(_read(self._answers, _TOLD.size))[0]))
            if "refused" in told:
                raise FixInput(told["refused"])
            pixels = np.empty(told["shape"], told["dtype"])
            _fill(self._answers, pixels.reshape(-1).data.cast("B"))
        except (EOFError, BrokenPipeError):
            raise FixInput(self._why(seconds)) from None
        return pixels, told["said"]

    def end(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def leave(self) -> None:
        """Let go of it in a forked child: it is the parent's."""
        for pipe in (self._asks, self._answers):
            pipe.close()

    def _why(self, seconds: float) -> str:
        ended = self._popen.wait()
        if ended in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"decoding it takes more than {seconds:.0f} s, far more than a picture of its size; export it again"
        return f"the image is damaged (its decoder broke off: {ended}); export it again"


@contextmanager
def _process() -> Iterator[_Process]:
    """One that is at rest, or a new one; as many as there are threads that decode at once."""
    with _guard:
        process = _idle.pop() if _idle else None
    if process is None or not process.lives:
        process = _Process()
    try:
        yield process
    except FixInput:
        _rest(process)
        raise
    except BaseException:  # in the middle of an answer, which nobody would take for the next one
        process.end()
        raise
    else:
        _rest(process)


def _rest(process: _Process) -> None:
    if process.lives:
        with _guard:
            _idle.append(process)


def _leave() -> None:
    global _guard  # noqa: PLW0603  another thread of the parent may have held it
    _guard = threading.Lock()
    for process in _idle:
        process.leave()
    _idle.clear()


os.register_at_fork(after_in_child=_leave)


def _write(pipe: IO[bytes], pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(pipe.fileno(), rest) :]


def _fill(pipe: IO[bytes], room: memoryview) -> None:
    while room:
        count = os.readv(pipe.fileno(), [room])
        if not count:
            raise EOFError
        room = room[count:]


def _read(pipe: IO[bytes], count: int) -> bytes:
    held = bytearray(count)
    _fill(pipe, memoryview(held))
    return bytes(held)


def _serve() -> None:
    """What the process does until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks ends it
    asks, answers = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    ear = os.memfd_create("said")
    for stream in (1, 2):
        os.dup2(ear, stream)
    import cv2

    cv2.setNumThreads(1)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    idle = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    while True:
        try:
            length, memory, seconds, colour, first = _ASKED.unpack(_read(asks, _ASKED.size))
            content = np.empty(length, np.uint8)
            _fill(asks, content.data)
        except EOFError:
            return
        _allow(idle + length + memory, seconds)
        told, pixels = _of(cv2, content, colour, first, ear)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        del content
        words = json.dumps(told).encode()
        _write(answers, (_TOLD.pack(len(words)), words, *(() if pixels is None else (pixels.reshape(-1).data,))))
        del pixels


def _allow(memory: int, seconds: float) -> None:
    """So many bytes in all, and so much more processor time; the system ends the process beyond that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime + seconds)
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, until)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _of(
    cv2: Any, content: NDArray[np.uint8], colour: bool, first: bool, ear: int
) -> tuple[dict[str, Any], NDArray[Any] | None]:
    os.ftruncate(ear, 0)
    os.lseek(ear, 0, os.SEEK_SET)
    try:
        if first and _is_held_whole(content):
            cv2.imdecode(content, cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION)
        said = _said(ear)
        pixels = None if said else _pixels(cv2, content, colour)
    except (cv2.error, MemoryError) as error:
        return {"refused": _broken(str(error))}, None
    said = said or _said(ear)
    if pixels is None:
        return {"refused": _broken(said or "it cannot be decoded")}, None
    return {"shape": pixels.shape, "dtype": str(pixels.dtype), "said": said}, pixels


def _said(ear: int) -> str:
    return _remark(os.pread(ear, 4096, 0).decode(errors="replace"))


def _is_held_whole(content: NDArray[np.uint8]) -> bool:
    """Whether it is a progressive JPEG: libjpeg holds its coefficients, twice the picture, before it gives a pixel. In
    an eighth of its size all of them are read, and what is wrong with it is heard, without the picture beside them."""
    return bytes(content[:2]) == b"\xff\xd8" and _PROGRESSIVE.search(content.data) is not None


def _pixels(cv2: Any, content: NDArray[np.uint8], colour: bool) -> NDArray[Any] | None:
    """As stored, but with red first; of a TIFF OpenCV mixes the colours up where it is asked for that."""
    if colour and bytes(content[:2]) not in (b"II", b"MM"):
        way = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
        return cast("NDArray[Any] | None", cv2.imdecode(content, way))
    pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if pixels is not None and pixels.ndim == 3 and pixels.shape[2] == 3:
        for start in range(0, len(pixels), _ROWS):  # within the picture, which may be all that there is memory for
            rows = pixels[start : start + _ROWS]
            rows[:] = rows[:, :, ::-1].copy()
    return cast("NDArray[Any] | None", pixels)


def _broken(said: str) -> str:
    if "memory" in said.lower():
        return "decoding it takes more memory than a picture of its size; export it again"
    return f"the image is damaged ({' '.join(said.split())[:120]}); export it again"


def _remark(said: str) -> str:
    """The first thing that a library said and that is no mere name of a tag."""
    lines = (_PREFIX.sub("", line).strip() for line in said.splitlines())
    return next(
        (
            "".join(c if c.isprintable() else "?" for c in one)[:120]
            for one in lines
            if one and not _HARMLESS.search(one)
        ),
        "",
    )


if __name__ == "__main__":
    _serve()
