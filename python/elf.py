"""What a Linux program asks of the system that runs it: its machine, the libraries that it is
linked with, and the versions of their symbols. Read from the file, so that no tool has to be
installed.

Layouts are those of the ELF specification and of the symbol versions of the Linux Standard Base.
"""

import dataclasses
import pathlib
import struct

MACHINES = {62: "x86_64", 183: "aarch64"}
SHT_STRTAB, SHT_DYNAMIC, SHT_VERNEED = 3, 6, 0x6FFF_FFFE
DT_NEEDED = 1


class NotELF(Exception):
    """The file is no 64-bit little-endian ELF program."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a program needs."""

    machine: str
    libraries: frozenset[str]
    versions: frozenset[str]

    def highest(self, family: str) -> tuple[int, ...]:
        """The highest version of a family of symbols, such as GLIBC; (0,) if there is none."""
        found: list[tuple[int, ...]] = [(0,)]
        for version in self.versions:
            name, _, numbers = version.rpartition("_")
            if name == family and numbers[:1].isdigit():
                found.append(tuple(int(number) for number in numbers.split(".")))
        return max(found)


def needs_of(path: pathlib.Path) -> Needs:
    """Reads what the program at `path` needs."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise NotELF(f"{path} is no 64-bit ELF program")
    machine = struct.unpack_from("<H", data, 18)[0]
    table, size, count = *struct.unpack_from("<Q", data, 40), *struct.unpack_from("<HH", data, 58)
    sections = []
    for index in range(count):
        fields = struct.unpack_from("<IIQQQQIIQQ", data, table + index * size)
        sections.append({"type": fields[1], "at": fields[4], "size": fields[5], "link": fields[6]})

    def text(section: dict[str, int], offset: int) -> str:
        begin = sections[section["link"]]["at"] + offset
        return data[begin : data.index(0, begin)].decode()

    libraries, versions = set(), set()
    for section in sections:
        if section["type"] == SHT_DYNAMIC:
            for at in range(section["at"], section["at"] + section["size"], 16):
                tag, value = struct.unpack_from("<QQ", data, at)
                if tag == DT_NEEDED:
                    libraries.add(text(section, value))
        if section["type"] == SHT_VERNEED:
            versions |= {text(section, name) for name in _version_names(data, section["at"])}
    return Needs(MACHINES.get(machine, "unknown"), frozenset(libraries), frozenset(versions))


def _version_names(data: bytes, at: int) -> list[int]:
    """The offsets of the names of all versions in a section of needed versions."""
    names = []
    while True:
        _, count, _, first, following = struct.unpack_from("<HHIII", data, at)
        entry = at + first
        for _ in range(count):
            _, _, _, name, step = struct.unpack_from("<IHHII", data, entry)
            names.append(name)
            entry += step
        if following == 0:
            return names
        at += following
