"""Ctrl-C and SIGTERM end a process at once, with one sentence, whatever it is at."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from inspection.process import stopping
from tests.conftest import ROOT

WORK = {
    "a computation": "import time; time.sleep(60)",
    "a wait for another process": "import subprocess; subprocess.run(['sleep', '60'])",
    "another's handlers": """
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)
import time
while True:
    time.sleep(60)
""",
    "whatever is raised is caught": """
import time
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
""",
    "a library that hears no handler": "import ctypes\nwhile True:\n    ctypes.CDLL(None).sleep(60) or 0",
}
PROGRAM = """
import signal, sys
from inspection.process import stopping
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
stopping.listen('--json' in sys.argv)
with stopping.under_way(lambda: "looking 20/21", lambda: "it goes on behind epoch 2 of 12"):
    print("ready", flush=True)
    exec(sys.argv[1])
"""
TOLD = (
    "Stopped at looking 20/21; what was done is kept.",
    "Run the same command again: it goes on behind epoch 2 of 12.",
)


def stopped(work: str, number: signal.Signals, *options: str) -> tuple[int, str, float]:
    """The exit code, what was said, and after how many seconds."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, work, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    began = time.monotonic()
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=30)
    return process.returncode, said, time.monotonic() - began


@pytest.mark.parametrize("work", WORK.values(), ids=list(WORK))
@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_signal_ends_it_with_one_sentence(work: str, number: signal.Signals) -> None:
    code, said, seconds = stopped(work, number)
    assert code == 128 + number
    assert said == f"{' '.join(TOLD)}\n"
    assert seconds < 5


def test_with_json_it_is_an_object() -> None:
    code, said, _ = stopped("import time\ntime.sleep(60)", signal.SIGTERM, "--json")
    assert code == 143
    assert json.loads(said) == dict(zip(("error", "remedy"), TOLD, strict=True))


def test_the_innermost_work_that_has_words_is_told() -> None:
    assert stopping.sentences() == (
        "Stopped; what was done is kept.",
        "Run the same command again: it does what is left.",
    )
    with (
        stopping.under_way(lambda: "outer", lambda: "it goes on"),
        stopping.under_way(),
        stopping.under_way(lambda: 1 / 0),
    ):
        assert stopping.sentences()[0] == "Stopped at outer; what was done is kept."
        assert stopping.sentences()[1] == "Run the same command again: it goes on."
    assert stopping.sentences()[0] == "Stopped; what was done is kept."


IMPATIENT = """
import signal
from inspection.process import stopping
signal.signal(signal.SIGINT, signal.default_int_handler)
again = [signal.SIGINT]
def reached():
    if again:
        signal.raise_signal(again.pop())
    return "looking 20/21"
stopping.listen()
with stopping.under_way(reached):
    signal.raise_signal(signal.SIGINT)
"""


def test_a_second_signal_while_it_ends_keeps_nothing_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 130 and TOLD[0] in done.stderr
