#!/usr/bin/env python3
"""Draws `docs/benchmarks.svg` from `docs/benchmarks.md`: a strip for each workload of the first table of
the summary, in it a bar for each server, as long as it has operations a second. `--check` fails where the
picture is not what the table says. `make bench` draws it anew.
"""

import html
import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent.parent / "docs"
# The colours of Redstart's bars and of the others'.
OWN, OTHERS = "#c2410c", ["#64748b", "#a8b3c2", "#cbd5e1"]
LEFT, WIDTH, BAR, GAP = 130, 560, 15, 12


def rows(text: str) -> tuple[list[str], dict[str, list[tuple[float, int]]]]:
    """The workloads of the first table of the summary; each server's time and operations for them."""
    _, _, summary = text.partition("\n## Summary\n")
    lines = [line.strip("|").split("|") for line in summary.splitlines() if line.startswith("|")]
    if len(lines) < 4:
        raise SystemExit("docs/benchmarks.md has no summary")
    workloads = [cell.strip() for cell in lines[0][1:]]
    servers: dict[str, list[tuple[float, int]]] = {}
    for name, *cells in lines[2:]:
        found = [re.fullmatch(r"([\d.]+) \((\d+)\)", cell.strip()) for cell in cells]
        if "/" in name or name.strip() in servers or len(cells) != len(workloads):
            break
        if not all(found):
            raise SystemExit(f"docs/benchmarks.md: what does the line of {name.strip()} mean?")
        servers[name.strip()] = [(float(cell[1]), int(cell[2])) for cell in found if cell]
    return workloads, servers


def picture(text: str) -> str:
    """The picture."""
    workloads, servers = rows(text)
    # Redstart first, the others in their order.
    names = sorted(servers, key=lambda name: name != "redstart")
    most = max(operations for row in servers.values() for _, operations in row)
    strip = BAR * len(names) + GAP
    top, height = 62, 62 + strip * len(workloads) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}" '
        'font-family="sans-serif" font-size="12" role="img" aria-label="Thousand operations a second">',
        "<style>text{fill:#1e293b}.p{fill:#fff}"
        "@media(prefers-color-scheme:dark){text{fill:#e2e8f0}.p{fill:#0f172a}}</style>",
        '<rect class="p" width="100%" height="100%"/>',
        '<text x="10" y="20" font-size="14">Thousand operations a second on one core (more is better); p16: 16 requests at a time'
        "</text>",
    ]
    colours = dict(zip(names, [OWN, *OTHERS], strict=False))
    x = 10
    for name in names:
        parts.append(f'<rect x="{x}" y="32" width="12" height="12" fill="{colours[name]}"/>')
        parts.append(f'<text x="{x + 17}" y="42">{html.escape(name)}</text>')
        x += 40 + 7 * len(name)
    for place, workload in enumerate(workloads):
        y = top + place * strip
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + BAR * len(names) / 2 + 4:.0f}" text-anchor="end">'
            f"{html.escape(workload)}</text>"
        )
        for name in names:
            operations = servers[name][place][1]
            length = max(1, round(WIDTH * operations / most))
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{length}" height="{BAR - 2}" fill="{colours[name]}"/>'
            )
            parts.append(f'<text x="{LEFT + length + 5}" y="{y + 11}" font-size="11">{operations}</text>')
            y += BAR
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    made = picture((DOCS / "benchmarks.md").read_text())
    path = DOCS / "benchmarks.svg"
    if "--check" not in sys.argv[1:]:
        path.write_text(made)
    elif not path.is_file() or path.read_text() != made:
        sys.exit("docs/benchmarks.svg is not what docs/benchmarks.md says: make chart")
