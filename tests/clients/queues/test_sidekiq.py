"""Sidekiq, where Ruby and Debian's `ruby-sidekiq` are there; ruby/sidekiq.rb has the test."""

import os
import pathlib
import shutil
import subprocess

import pytest

script = pathlib.Path(__file__).resolve().parent / "ruby" / "sidekiq.rb"


def has_sidekiq():
    if not shutil.which("ruby") or not shutil.which("sidekiq"):
        return False
    return subprocess.run(["ruby", "-e", "require 'sidekiq'"], capture_output=True).returncode == 0


def test_a_worker_of_sidekiq(r, server):
    if not has_sidekiq():
        pytest.skip("SKIPPED: no ruby-sidekiq to run Sidekiq with")
    environment = {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{server.port}/5"}
    done = subprocess.run(
        ["ruby", script], env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
