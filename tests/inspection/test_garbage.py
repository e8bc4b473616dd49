"""What imports leave is not looked through."""

import subprocess
import sys

PROGRAM = """
import gc, sys
sys.argv = ["-m"]
import stages
assert not gc.isenabled(), "at rest while a stage imports"
from inspection.errors import in_words
in_words(lambda: print(gc.isenabled(), gc.get_freeze_count() > 1000))
"""


def test_a_stage_rests_while_it_imports_and_then_looks_only_at_what_it_makes() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "True"]


def test_whoever_imports_stages_otherwise_keeps_looking() -> None:
    program = "import gc, stages; print(gc.isenabled())"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "True"
