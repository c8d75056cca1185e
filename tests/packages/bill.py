"""Whether the bill of materials lists what is in Cargo.lock and linked in, and no more than that."""

import json
import pathlib
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
bill = json.loads(pathlib.Path(sys.argv[1]).read_text())
lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
known = {f"pkg:cargo/{entry['name']}@{entry['version']}" for entry in lock}
listed = {component["bom-ref"]: component for component in bill["components"]}
crates = {ref for ref in listed if ref.startswith("pkg:cargo/")}
names = {component["name"] for component in listed.values()}

assert crates <= known, crates - known
for name in ("redstart-engine", "tokio", "rustls", "mlua", "luau", "mimalloc", "bincode"):
    assert name in names, f"{name} is missing"
# What tests use, what builds, what runs in the compiler.
for name in ("proptest", "shuttle", "rcgen", "redis", "cc", "serde_derive", "clap_derive"):
    assert name not in names, f"{name} is not in the program"
for component in listed.values():
    assert component.get("licenses"), f"{component['name']} has no licence"
refs = {*listed, bill["metadata"]["component"]["bom-ref"]}
for entry in bill["dependencies"]:
    assert entry["ref"] in refs and set(entry["dependsOn"]) <= refs, entry
print(f"{len(crates)} crates, {len(listed) - len(crates)} other libraries")
