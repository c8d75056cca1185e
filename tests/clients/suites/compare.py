"""Runs the test suites that libraries ship in their source distributions, as pinned in
suites.toml, first on redis-server and then on the server that REDSTART_BIN names, and tells every
test whose outcome differs. `suites/run` prepares the environments and calls it.

A difference counts only if it stays when the test is run up to three times more, among those that
differ: suites have tests that depend on time. A test that passes on redis-server and fails on Redstart is a defect, unless
suites.toml excuses it with a reason or names the command that it misses as one to come; the exit
status says whether there is one.
"""

import argparse
import collections
import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as tree

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "python"))

from server import Server  # noqa: E402


def outcomes(report):
    """What became of each test, by its name: passed, skipped or failed with the last line said."""
    found = {}
    for case in tree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        outcome = ("passed", "")
        for child in case:
            if child.tag in ("failure", "error"):
                said = (child.get("message") or child.text or "").strip().splitlines()
                outcome = ("failed", said[0][:200] if said else "")
            elif child.tag == "skipped":
                outcome = ("skipped", (child.get("message") or "")[:200])
        found[name] = outcome
    return found


def certify(folder):
    """Makes an authority in a folder, and certificates of a server and of two clients."""
    folder.mkdir(parents=True)
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "rsa:2048", "-nodes", "-keyout"]
    openssl("req", "-x509", *key, "ca.key", "-subj", "/CN=an authority", "-out", "ca.crt")
    for name, subject in (("redis", "localhost"), ("client", "client"), ("test_user", "test_user")):
        openssl("req", *key, f"{name}.key", "-subj", f"/CN={subject}", "-out", "request")
        openssl("x509", "-req", "-in", "request", "-CA", "ca.crt", "-CAkey", "ca.key",
                "-CAcreateserial", "-extfile", "names", "-out", f"{name}.crt")


class Suite:
    def __init__(self, name, settings, tools):
        self.name, self.settings = name, settings
        self.python = tools / f"suite-{name}" / "bin" / "python"
        archive = next((tools / "sdists").glob(settings["archive"]))
        self.folder = tools / "suites" / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        with tarfile.open(archive) as packed:
            packed.extractall(self.folder, filter="data")
        self.sources = next(self.folder.iterdir())
        self.port = self.settings.get("port", 6379)
        if "certificates" in settings:
            certify(self.sources / settings["certificates"])
        stand_ins = here / "stand_ins" / name
        if stand_ins.exists():
            shutil.copytree(stand_ins, self.sources, dirs_exist_ok=True)

    def run(self, binary, label, only=()):
        """One run of the suite, or of the tests whose names are given."""
        report = self.folder / f"{label}.xml"
        report.unlink(missing_ok=True)
        shims = self.folder / f"bin-{label}"
        shims.mkdir(exist_ok=True)
        # Suites that start `redis-server` themselves get the server under test by that name.
        shim = shims / "redis-server"
        shim.write_text("#!/bin/sh\nexec " + shlex.join(binary[:1]) + ' "$@" '
                        + shlex.join(binary[1:]) + "\n")
        shim.chmod(0o755)
        fill = {"port": str(self.port), "directory": str(self.folder), "sources": str(self.sources)}
        environment = {
            **os.environ, "PATH": f"{shims}:{os.environ['PATH']}",
            "SUITES_SERVER": str(here.parent / "python"), "REDSTART_BIN": str(shim),
        }
        for key, value in self.settings.get("environment", {}).items():
            environment[key] = value.format_map(fill)
        server = None
        if self.settings.get("starts_server", True):
            options = [word.format_map(fill) for word in self.settings.get("server", [])]
            server = Server(*options, binary=str(shim), port=self.port)
        command = [self.python, "-m", "pytest", "-q", "-o", f"cache_dir={self.folder}/cache"]
        # Other tracebacks cost seconds each where a library reconnects in deep stacks.
        command += ["--tb=native", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        command += [word.format_map(fill) for word in self.settings["arguments"]]
        for pattern in self.settings.get("deselect", []):
            command.append(f"--deselect={pattern}")
        if only:
            chosen = self.folder / "only.json"
            chosen.write_text(json.dumps(sorted(only)))
            environment["SUITE_ONLY"] = str(chosen)
        environment["PYTHONPATH"] = str(here)
        command += ["-p", "chosen"]
        try:
            with open(self.folder / f"{label}.log", "wb") as log:
                subprocess.run(
                    command, cwd=self.sources, env=environment, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, timeout=self.settings.get("timeout", 900),
                    check=False,
                )
        except subprocess.TimeoutExpired:
            print(f"{self.name}: {label} took too long")
        finally:
            if server:
                server.stop()
        if not report.exists():
            tail = (self.folder / f"{label}.log").read_text(errors="replace")[-1500:]
            raise RuntimeError(f"{self.name} on {label} wrote no report:\n{tail}")
        return outcomes(report)

    def excuse(self, test):
        for pattern, reason in self.settings.get("excused", {}).items():
            if fnmatch.fnmatchcase(test, pattern):
                return reason
        return None


def version(binary):
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    return re.search(r"v=([0-9.]+)", said.stdout)[1]


def count(found):
    kinds = [kind for kind, _ in found.values()]
    return " ".join(f"{kinds.count(kind)} {kind}" for kind in ("passed", "failed", "skipped"))


def missing_command(said, later):
    """The command that a test failed for the want of, if it is one of `later`."""
    found = re.search(r"unknown command '(\w+)'", said)
    return found and found[1].upper() in later and found[1].upper()


def compare(suite, which, binary, later):
    """Prints the differences; the number of unexcused failures."""
    oracle = suite.run([which], "redis")
    # Tests look at the version: both servers say the same one.
    binary = [binary, "--redis-version", version(which)]
    ours = suite.run(binary, "redstart")
    print(f"== {suite.name}\n   redis-server: {count(oracle)}\n   Redstart:     {count(ours)}")
    # A test that Redis skips for its age runs on Redstart, which tells a newer version.
    suspects = {
        test for test, (kind, _) in ours.items()
        if kind == "failed" and oracle.get(test, ("absent", ""))[0] != "failed"
    }
    defects = 0
    missing = {test for test, (kind, _) in oracle.items() if kind == "passed"} - set(ours)
    if missing:
        defects += 1
        print(f"   DEFECT: the run ended before {len(missing)} tests that pass on redis-server")
    for _ in range(3):
        if suspects:
            again = suite.run(binary, "redstart-again", suspects)
            suspects = {test for test in suspects if again.get(test, ("failed", ""))[0] == "failed"}
    wants = {test: missing_command(ours.get(test, ("", ""))[1], later) for test in suspects}
    for command, tests in collections.Counter(filter(None, wants.values())).most_common():
        print(f"   {tests} tests miss {command}")
    for test in sorted(test for test in suspects if not wants[test]):
        reason = suite.excuse(test)
        defects += reason is None
        before = oracle.get(test, ("absent", ""))[0]
        said = ours.get(test, ("absent", ""))[1]
        verdict = f"excused: {reason}" if reason else "DEFECT"
        print(f"   {verdict}: {test} ({before} on redis-server): {said}")
    return defects


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("suites", nargs="*")
    options = parser.parse_args()
    # A suite that is interrupted takes its servers along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    settings = tomllib.loads((here / "suites.toml").read_text())
    binary, which = os.environ["REDSTART_BIN"], os.environ["SUITES_ORACLE"]
    print(f"compared with redis-server {version(which)}")
    defects = 0
    later = settings.pop("later")["commands"]
    for name in options.suites or settings:
        defects += compare(Suite(name, settings[name], options.tools), which, binary, later)
        sys.stdout.flush()
    print(f"{defects} defects")
    sys.exit(defects > 0)


main()
