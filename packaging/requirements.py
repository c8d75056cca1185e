"""Says what a program asks of the machine that runs it, read from the file: the processor, the kernel,
and either nothing else or the libraries with the least versions that have its symbols. The last line,
for a program that is not linked statically, is what a deb depends on.
"""

import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
sys.dont_write_bytecode = True

import elf  # noqa: E402

# Which package of Debian has a library, and by which family of symbols its version is told.
DEBIAN = {
    "libc.so.6": "libc6",
    "libm.so.6": "libc6",
    "ld-linux-x86-64.so.2": "libc6",
    "ld-linux-aarch64.so.1": "libc6",
    "libgcc_s.so.1": "libgcc-s1",
    "libstdc++.so.6": "libstdc++6",
}
# The least version of Debian's libstdc++6 that has these symbols: the compiler's that came with them.
CPP = [((3, 4, 24), "7"), ((3, 4, 25), "8"), ((3, 4, 28), "9"), ((3, 4, 29), "11")]
CPP += [((3, 4, 30), "12"), ((3, 4, 32), "13"), ((3, 4, 33), "14")]
SHT_NOTE, NT_GNU_ABI_TAG = 7, 1


def least_kernel(path: pathlib.Path) -> str:
    """The oldest kernel that the C library in a program works with: its note says so."""
    data = path.read_bytes()
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    for index in range(count):
        kind, at, length = (
            struct.unpack_from("<I", data, table + index * size + 4)[0],
            *struct.unpack_from("<QQ", data, table + index * size + 24),
        )
        while kind == SHT_NOTE and length >= 32:
            name_bytes, text_bytes, note = struct.unpack_from("<III", data, at)
            if note == NT_GNU_ABI_TAG and data[at + 12 : at + 16] == b"GNU\0":
                system, *version = struct.unpack_from("<IIII", data, at + 16)
                return ".".join(map(str, version)) if system == 0 else "of another system"
            step = 12 + -(-name_bytes // 4) * 4 + -(-text_bytes // 4) * 4
            at, length = at + step, length - step
    return "unknown"


def version(numbers: tuple[int, ...]) -> str:
    """Numbers as a version."""
    return ".".join(map(str, numbers))


def lines(path: pathlib.Path) -> list[str]:
    """What a program asks for."""
    needs = elf.needs_of(path)
    asked = [f"machine: {needs.machine}", f"Linux: {least_kernel(path)} or newer"]
    if not needs.libraries:
        return [*asked, "libraries: none (linked statically)"]
    glibc, cpp = needs.highest("GLIBC"), needs.highest("GLIBCXX")
    asked += [f"glibc: {version(glibc)} or newer", f"libraries: {', '.join(sorted(needs.libraries))}"]
    packages = {DEBIAN[library] for library in needs.libraries if library in DEBIAN}
    least = {"libc6": version(glibc)}
    enough = [compiler for symbols, compiler in CPP if symbols >= cpp]
    if "libstdc++6" in packages:
        asked.append(f"libstdc++: GLIBCXX_{version(cpp)}")
        least["libstdc++6"] = enough[0]
    told = [f"{name} (>= {least[name]})" if name in least else name for name in sorted(packages)]
    return [*asked, f"deb: {', '.join(told)}"]


if __name__ == "__main__":
    print("\n".join(lines(pathlib.Path(sys.argv[1]))))
