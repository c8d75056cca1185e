"""Builds the wheel: the Python package with the server's program in it. A build backend as PEP 517
describes it, which needs nothing but Python, and a command: `backend.py --program FILE --into DIR`.

The program is that which REDSTART_BIN names, by default the optimised one of this checkout. Its
debugging information is stripped off where there is `strip`. The platform's tag is made of what the
program asks of the system (PEP 600): a program that asks for more than its tag promises is refused.
"""

import argparse
import base64
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from typing import Any

import elf

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
# The libraries that PEP 600 lets a wheel count on, as far as a program of ours may be linked with
# them.
EXPECTED = {
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
}
EXPECTED |= {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
# From which glibc on a system has these versions of the C++ library.
CPP_LIBRARY = [
    ((3, 4, 24), (2, 27)),
    ((3, 4, 25), (2, 28)),
    ((3, 4, 28), (2, 31)),
    ((3, 4, 29), (2, 34)),
]
CPP_LIBRARY += [((3, 4, 30), (2, 35)), ((3, 4, 32), (2, 38)), ((3, 4, 33), (2, 39))]


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None
) -> str:
    """Builds the wheel into a folder, and returns its file's name: what pip calls."""
    given = os.environ.get("REDSTART_BIN")
    program = pathlib.Path(given) if given else ROOT / "target/release/redstart"
    return make(program, pathlib.Path(wheel_directory)).name


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What has to be installed for the build: nothing."""
    return []


def make(program: pathlib.Path, into: pathlib.Path) -> pathlib.Path:
    """Builds the wheel with a program into a folder, and returns its path."""
    if not program.is_file():
        raise SystemExit(f"there is no program at {program}: `cargo build --release` makes it")
    with tempfile.TemporaryDirectory() as folder:
        stripped = pathlib.Path(folder) / "redstart"
        shutil.copy(program, stripped)
        if shutil.which("strip"):
            subprocess.run(["strip", str(stripped)], check=True)
        project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"][
            "version"
        ]
        tag = f"py3-none-{platform_tag(stripped)}"
        into.mkdir(parents=True, exist_ok=True)
        path = into / f"{project['name']}-{version}-{tag}.whl"
        _write(
            path,
            dict(_files(project, version, tag, stripped)),
            f"{project['name']}-{version}.dist-info",
        )
    return path


def platform_tag(program: pathlib.Path) -> str:
    """The tag of the oldest systems that can run a program."""
    needs = elf.needs_of(program)
    if needs.machine == "unknown":
        raise SystemExit(f"{program} is for a machine that has no name here")
    if not needs.libraries:
        # Linked statically, it runs beside every C library. A wheel may have several tags.
        return f"manylinux_2_17_{needs.machine}.musllinux_1_1_{needs.machine}"
    if unexpected := needs.libraries - EXPECTED:
        raise SystemExit(f"{program} needs what a system may lack: {', '.join(sorted(unexpected))}")
    if "libc.so.6" not in needs.libraries:
        raise SystemExit(f"{program} is not linked with glibc")
    glibc = max(needs.highest("GLIBC")[:2], (2, 17))
    cpp = needs.highest("GLIBCXX")
    if cpp > (3, 4, 19):
        enough = [system for version, system in CPP_LIBRARY if version >= cpp]
        if not enough:
            raise SystemExit(f"{program} needs GLIBCXX {cpp}, which is newer than is known here")
        glibc = max(glibc, min(enough))
    return f"manylinux_{glibc[0]}_{glibc[1]}_{needs.machine}"


def _files(
    project: dict[str, Any], version: str, tag: str, program: pathlib.Path
) -> Iterator[tuple[str, bytes]]:
    """The files of the wheel, in their order, but for its list of files."""
    source = HERE / "src"
    for path in sorted(source.rglob("*")):
        if path.suffix == ".py" or path.name == "py.typed":
            yield str(path.relative_to(source)), path.read_bytes()
    yield "redstart/bin/redstart", program.read_bytes()
    info = f"{project['name']}-{version}.dist-info"
    for licence in ("LICENSE-APACHE", "LICENSE-MIT"):
        yield f"{info}/licenses/{licence}", (ROOT / licence).read_bytes()
    yield f"{info}/entry_points.txt", _entry_points(project).encode()
    kind, _, platforms = tag.rpartition("-")
    tags = "".join(f"Tag: {kind}-{platform}\n" for platform in platforms.split("."))
    yield (
        f"{info}/WHEEL",
        f"Wheel-Version: 1.0\nGenerator: redstart\nRoot-Is-Purelib: false\n{tags}".encode(),
    )
    yield f"{info}/METADATA", _metadata(project, version).encode()


def _entry_points(project: dict[str, Any]) -> str:
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    lines = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()), ""]
    return "\n".join(lines)


def _metadata(project: dict[str, Any], version: str) -> str:
    lines = ["Metadata-Version: 2.4", f"Name: {project['name']}", f"Version: {version}"]
    lines += [f"Summary: {project['description']}", f"License-Expression: {project['license']}"]
    lines += ["License-File: LICENSE-APACHE", "License-File: LICENSE-MIT"]
    lines += [f"Requires-Python: {project['requires-python']}"]
    lines += [f"Classifier: {classifier}" for classifier in project["classifiers"]]
    for extra, packages in project["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}"]
        lines += [f"Requires-Dist: {package}; extra == '{extra}'" for package in packages]
    lines += ["Description-Content-Type: text/markdown", "", (HERE / project["readme"]).read_text()]
    return "\n".join(lines)


def _write(path: pathlib.Path, files: dict[str, bytes], info: str) -> None:
    """Writes a wheel. The same files make the same wheel: times are left out."""
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as wheel:
        for name, content in files.items():
            digest = (
                base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            )
            record.append(f"{name},sha256={digest},{len(content)}")
            wheel.writestr(_entry(name), content)
        record.append(f"{info}/RECORD,,")
        wheel.writestr(_entry(f"{info}/RECORD"), "\n".join(record) + "\n")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100755 if name.endswith("/bin/redstart") else 0o100644) << 16
    return entry


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--into", type=pathlib.Path, required=True)
    options = parser.parse_args()
    print(make(options.program, options.into))
