"""Runs each example as a person does. What an example tells, it asserts itself."""

import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
# What the libraries deprecate and leave open is not ours to heed.
WARNINGS = ["-W", "error", "-W", "ignore::DeprecationWarning", "-W", "ignore::ResourceWarning"]
SHARED = {"shop.py", "stampede.py", "test_examples.py"}


@pytest.mark.parametrize("name", sorted({path.name for path in HERE.glob("*.py")} - SHARED))
def test_example(name):
    told = subprocess.run(
        [sys.executable, *WARNINGS, name], cwd=HERE, capture_output=True, text=True, timeout=120
    )
    print(told.stdout)
    assert told.returncode == 0 and not told.stderr, told.stderr
    assert told.stdout.count("\n") >= 2
