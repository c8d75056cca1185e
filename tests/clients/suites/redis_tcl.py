#!/usr/bin/env python3
"""Runs files of Redis's own Tcl suite on the redis-server of this machine (7.0) and on the server
that REDSTART_BIN names, and prints each test that passes on redis-server only: as one that the
newest Redis fails, too, as excused by redis_tcl.toml, or as a defect.

    tests/clients/suites/redis_tcl.py [unit/type/stream ...]      all of redis_tcl.toml by default

Needs Linux, root, and Debian's redis-server and tcl; the sources are those of Debian's package. Each
run has a network of its own. One worker: the suite counts on requests of two connections running in
the order in which they were sent. Two encodings are as since Redis 7.2, and the suite is told so:
a list of one piece is a `listpack`, and so is a small set, unless a parameter says otherwise.
"""

import collections
import fnmatch
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent.parent
tools = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "clients" / "redis-tcl"
PROGRAMS = ("redis-cli", "redis-benchmark", "redis-check-rdb", "redis-check-aof")
REDSTART = """
threads 1
redis-version {version}
set-max-listpack-entries 0
"""
NEWEST = """
set-max-listpack-entries 0
"""
# Of the suite's certificates one is for all uses, and of X.509 version 1, which rustls does not take.
CERTIFICATE = ('generate_cert redis "Generic-cert"',
               'echo "[ any_cert ]\nkeyUsage = digitalSignature, keyEncipherment" >>tests/tls/openssl.cnf\n'
               'generate_cert redis "Generic-cert"'
               ' "-extfile tests/tls/openssl.cnf -extensions any_cert"')
ENCODING = "    assert_match $enc $val\n"
LISTPACK = '    if {$enc eq "quicklist" && $val eq "listpack"} { set val quicklist }\n'


def fetch():
    """The archive of the sources, by an apt with a state of its own."""
    found = list(tools.glob("redis_*.orig.tar.gz"))
    if found:
        return found[0]
    state = tools / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    codename = re.search(r"VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text())[1]
    mirror = "http://deb.debian.org/debian"
    (state / "sources.list").write_text(
        f"deb-src [signed-by={key}] {mirror} {codename} main\n"
        f"deb-src [signed-by={key}] {mirror}-security {codename}-security main\n")
    (state / "apt.conf").write_text(
        f'Dir::State "{state}/state";\nDir::State::status "{state}/status";\n'
        f'Dir::Cache "{state}/cache";\nDir::Etc::SourceList "{state}/sources.list";\n'
        'Dir::Etc::SourceParts "/dev/null";\nAPT::Sandbox::User "root";\n')
    environment = {**os.environ, "APT_CONFIG": str(state / "apt.conf")}
    for words in (["update"], ["source", "--download-only", "redis"]):
        subprocess.run(["apt-get", "-q", *words], cwd=tools, env=environment, check=True,
                       stdout=subprocess.DEVNULL)
    return next(tools.glob("redis_*.orig.tar.gz"))


def prepare(label, archive, version):
    """A copy of the sources whose src/redis-server is the server that is tested."""
    folder = tools / label
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    sources = next(folder.iterdir())
    for program in PROGRAMS:
        (sources / "src" / program).symlink_to(shutil.which(program))
    server = sources / "src" / "redis-server"
    binaries = {
        "redis": shutil.which("redis-server"), "redstart": os.environ["REDSTART_BIN"],
        "newest": os.environ.get("SUITES_ORACLE", root / "target/oracles/bin/redis-server-8"),
    }
    server.symlink_to(pathlib.Path(binaries[label]).resolve())
    more = {"redis": "", "redstart": REDSTART.format(version=version), "newest": NEWEST}
    with open(sources / "tests" / "assets" / "default.conf", "a") as configuration:
        configuration.write(more[label])
    helper = sources / "tests" / "support" / "test.tcl"
    text = helper.read_text()
    assert text.count(ENCODING) == 1
    helper.write_text(text.replace(ENCODING, LISTPACK + ENCODING))
    if label == "redstart":
        # There is no cluster and no replication that could be encrypted.
        starter = sources / "tests" / "support" / "server.tcl"
        text = starter.read_text()
        for name in ("tls-cluster", "tls-replication"):
            text = text.replace(f'"{name}" "yes"', f'"{name}" "no"')
        starter.write_text(text)
    return sources


def make_certificates(sources):
    """Those that tests over TLS want."""
    script = sources / "utils" / "gen-test-certs.sh"
    text = script.read_text()
    assert text.count(CERTIFICATE[0]) == 1
    script.write_text(text.replace(*CERTIFICATE))
    subprocess.run(["bash", script], cwd=sources, check=True, capture_output=True)


def run(sources, unit, skip, tls, log):
    """What became of each test of a file: ok or err, and what an err said."""
    command = ["tclsh", "tests/test_helper.tcl", "--single", unit, "--clients", "1", "--durable",
               "--verbose", "--timeout", "600", "--tags", "-needs:repl"]
    command += [word for test in skip for word in ("--skiptest", test)]
    command += ["--tls"] if tls else []
    inside = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "run", *command]
    with open(log, "wb") as output:
        suite = subprocess.Popen(inside, cwd=sources, env={**os.environ, "TERM": "dumb"},
                                 stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                 start_new_session=True)
    try:
        suite.wait(timeout=1800)
    except subprocess.TimeoutExpired:
        print(f"{unit}: took too long")
        os.killpg(suite.pid, signal.SIGKILL)
        suite.wait()
    text = log.read_text(errors="replace")
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    found, seen = collections.OrderedDict(), collections.Counter()
    for match in re.finditer(r"\[(ok|err)\]: (.*)(?=(\n.*)?)", text.split("The End")[0]):
        outcome, name, said = match.groups(default="")
        name = re.sub(r" \(\d+ ms\)$| in tests/\S+\.tcl$", "", name)
        # Numbers are drawn by chance.
        name = re.sub(r"0x[0-9a-f]+|\d{4,}", "N", name)
        seen[name] += 1
        found[name, seen[name]] = (outcome, said.strip()[:160])
    return found


class Runs:
    """The outcomes of one file on each server; on the newest Redis only where that is asked for."""

    def __init__(self, sources, unit, settings):
        self.sources, self.unit, self.found = sources, unit, {}
        self.skip, self.tls = settings["skip"], unit in settings["tls"]

    def on(self, label):
        if label not in self.found:
            log = tools / f"{label}-{self.unit.replace('/', '-')}.log"
            self.found[label] = run(self.sources[label], self.unit, self.skip, self.tls, log)
        return self.found[label]

    def passed(self, label):
        return sum(outcome == "ok" for outcome, _ in self.on(label).values())

    def explain(self, test, reasons):
        """Why a test may fail, if there is a reason."""
        for pattern, reason in reasons.items():
            if fnmatch.fnmatchcase(test[0], pattern):
                return f"excused: {reason}"
        if self.on("newest").get(test, ("absent", ""))[0] != "ok":
            return "as on the newest Redis"
        return None


def main():
    settings = tomllib.loads((here / "redis_tcl.toml").read_text())
    tools.mkdir(parents=True, exist_ok=True)
    said = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
    version = re.search(r"v=([0-9.]+)", said.stdout)[1]
    archive = fetch()
    labels = ("redis", "redstart", "newest")
    sources = {label: prepare(label, archive, version) for label in labels}
    defects = 0
    units = sys.argv[1:] or settings["units"]
    if any(unit in settings["tls"] for unit in units):
        for folder in sources.values():
            make_certificates(folder)
    for unit in units:
        runs = Runs(sources, unit, settings)
        print(f"{unit}: {runs.passed('redis')} passed on redis-server {version},"
              f" {runs.passed('redstart')} on Redstart", flush=True)
        reasons = {**settings["everywhere"], **settings.get(unit, {})}
        for test, (outcome, _) in runs.on("redis").items():
            ours, said = runs.on("redstart").get(test, ("absent", ""))
            if outcome != "ok" or ours == "ok":
                continue
            reason = runs.explain(test, reasons)
            defects += reason is None
            print(f"   {reason or 'DEFECT'}: {test[0]} ({ours}): {said}", flush=True)
    print(f"{defects} defects")
    sys.exit(defects > 0)


main()
