"""Writes the bill of materials of a program as CycloneDX 1.6: every crate that is linked into it, by
`cargo metadata` and Cargo.lock, and what is linked in beside crates: Luau and mimalloc, which crates
carry as C and C++, and the C and C++ libraries where the program is linked statically.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time
import tomllib
import uuid
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
sys.dont_write_bytecode = True

import elf  # noqa: E402

# What crates bring in other languages: the crate, what it is, its licence, and the crate that has the
# sources, behind the sign of whose version stands theirs.
CARRIED = [("mlua-sys", "luau", "MIT", "luau0-src"), ("libmimalloc-sys", "mimalloc", "MIT", None)]
Component = dict[str, Any]


def said(*command: str) -> str:
    """What a command prints; empty where it is not there."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return ""


def metadata(triple: str) -> dict[str, Any]:
    """What cargo knows of the packages for a target."""
    cargo = os.environ.get("CARGO", "cargo")
    told = subprocess.run(
        [cargo, "metadata", "--format-version", "1", "--locked", "--filter-platform", triple],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return json.loads(told.stdout)


def linked(
    nodes: dict[str, Any], packages: dict[str, Any], root: str
) -> dict[str, list[str]]:
    """The packages that the program is made of, and what each depends on: not what only tests use, nor
    what runs in the build alone (build scripts and their crates, procedural macros)."""
    found: dict[str, list[str]] = {}
    wanted = [root]
    while wanted:
        package = wanted.pop()
        if package not in found:
            found[package] = [
                dependency["pkg"]
                for dependency in nodes[package]["deps"]
                if any(kind["kind"] is None for kind in dependency["dep_kinds"])
                and not is_macro(packages[dependency["pkg"]])
            ]
            wanted += found[package]
    return found


def is_macro(package: dict[str, Any]) -> bool:
    """Whether a package runs in the compiler."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def library(name: str, version: str | None, licence: str) -> Component:
    """A component that is no crate."""
    component = {"type": "library", "bom-ref": f"library:{name}", "name": name}
    component |= {"version": version} if version else {}
    return component | {"licenses": [{"expression": licence}]}


def system_libraries(program: pathlib.Path) -> list[Component]:
    """The C and C++ libraries, where they are linked in."""
    if elf.needs_of(program).libraries:
        return []
    glibc = said("getconf", "GNU_LIBC_VERSION").split()
    gcc = said("gcc", "-dumpfullversion").strip() or None
    exception = "GPL-3.0-or-later WITH GCC-exception-3.1"
    return [
        library("glibc", glibc[1] if len(glibc) == 2 else None, "LGPL-2.1-or-later"),
        library("libstdc++", gcc, exception),
        library("libgcc", gcc, exception),
    ]


def bill(program: pathlib.Path) -> dict[str, Any]:
    """The whole bill."""
    triple = f"{elf.needs_of(program).machine}-unknown-linux-gnu"
    known = metadata(triple)
    packages = {package["id"]: package for package in known["packages"]}
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    root = known["resolve"]["root"]
    made_of = linked(nodes, packages, root)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    sums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock}

    def ref(package: str) -> str:
        return f"pkg:cargo/{packages[package]['name']}@{packages[package]['version']}"

    components, extra = [], []
    for package in sorted(made_of, key=ref):
        about = packages[package]
        if package != root:
            component: Component = {"type": "library", "bom-ref": ref(package)}
            component |= {"name": about["name"], "version": about["version"]}
            if about["description"]:
                component["description"] = " ".join(about["description"].split())
            if about["license"]:
                licence = about["license"].replace("/", " OR ")
                component["licenses"] = [{"expression": licence}]
            component["purl"] = ref(package)
            if checksum := sums.get((about["name"], about["version"])):
                component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
            components.append(component)
        for crate, name, licence, sources in CARRIED:
            if about["name"] == crate:
                found = [known["version"] for known in packages.values() if known["name"] == sources]
                version = "0." + found[0].partition("+luau")[2] if found else None
                extra.append((package, library(name, version, licence)))
    system = system_libraries(program)
    dependencies = [
        {
            "ref": ref(package),
            "dependsOn": sorted({ref(needed) for needed in needs})
            + [component["bom-ref"] for crate, component in extra if crate == package]
            + ([component["bom-ref"] for component in system] if package == root else []),
        }
        for package, needs in sorted(made_of.items(), key=lambda item: ref(item[0]))
    ]
    own = packages[root]
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    when = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)),
            "component": {
                "type": "application",
                "bom-ref": ref(root),
                "name": own["name"],
                "version": own["version"],
                "description": own["description"],
                "licenses": [{"expression": own["license"]}],
                "purl": ref(root),
                "hashes": [{"alg": "SHA-256", "content": digest}],
            },
        },
        "components": [*components, *(component for _, component in extra), *system],
        "dependencies": dependencies,
    }


if __name__ == "__main__":
    print(json.dumps(bill(pathlib.Path(sys.argv[1])), indent=1))
