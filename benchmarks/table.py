"""benchmarks/results.json as Markdown, for docs/speed.md."""

import json
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results.json"
OURS = ("two stacks of four", "two alone", "one alone")
HALF_MARK = ", bfloat16"
HALF = ("two stacks of four, bfloat16", "one alone, bfloat16")
FLOP_PER_IMAGE = 14.42e6  # rung 9, forward and backward, zero border counted


def ratios(speeds: dict[str, list[float]], name: str, peer: str) -> list[float]:
    """Ours over the peer's, round by round."""
    return [ours / theirs for ours, theirs in zip(speeds[name], speeds[peer], strict=True)]


def cell(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def contest(speeds: dict[str, list[float]], ours: tuple[str, ...]) -> list[list[str]]:
    """A row for each of ours and each peer: its median speed, and how many times that ours are."""
    rows = [["images/s of rung 9", "median", *(f"{name} / it" for name in ours)]]
    for name in ours:
        rows.append([f"**{name}**", f"{median(speeds[name]):,.0f}", *[""] * len(ours)])
    for peer in (name for name in speeds if name not in OURS + HALF):
        if HALF_MARK in peer and ours is OURS:
            continue  # what rounds less is not compared with what rounds more
        times = [cell(ratios(speeds, name, peer)) for name in ours]
        rows.append([peer, f"{median(speeds[peer]):,.0f}", *times])
    return rows


def rungs(speeds: dict[str, dict[str, float]]) -> list[list[str]]:
    rows = [["rung", "images/s, one alone", "images/s, two stacks of four"]]
    for name, found in speeds.items():
        rows.append([name, *(f"{found[kind]:,.0f}" for kind in ("one alone", OURS[0]))])
    return rows


def markdown(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, f"| --- |{' ---: |' * (len(rows[0]) - 1)}")
    return "\n".join(lines)


def facts(found: dict[str, Any]) -> list[str]:
    """The other figures, a line each."""
    parts, memory = found["parts"], found["memory_mib"]
    speed = median(found["training"]["32"][OURS[0]])
    share = speed * FLOP_PER_IMAGE / 1e9 / (found["peak_gflops"] * found["cores"])
    return [
        f"Arithmetic: {share:.0%} of the matrix peak, {found['peak_gflops']:.0f} GFLOP/s a core.",
        f"One core: augmenting 60,000 images takes {parts['augmentation_s']:.1f} s, evaluating "
        f"10,000 takes {parts['evaluation_s']:.2f} s.",
        f"Memory: {memory['stack of four']:,} MiB at most for a stack of four with augmentation, "
        f"of which `import torch` is {memory['import torch']:,} MiB.",
        "Start: "
        + ", ".join(f"`{name}` {seconds:.2f} s" for name, seconds in found["start"].items())
        + ".",
    ]


def main() -> None:
    found = json.loads(RESULTS.read_text())
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    print(
        f"`{found['command']}`, {found['date']}, {found['cores']} cores of {found['cpu']}, Python "
        f"{found['python']}, {versions}; medians of {found['rounds']} rounds, ratios with their "
        "range. Not run on a GPU.\n"
    )
    for batch, speeds in found["training"].items():
        print(f"Batch {batch}:\n\n{markdown(contest(speeds, OURS))}\n")
        print(f"Batch {batch}, ours in `bfloat16`:\n\n{markdown(contest(speeds, HALF))}\n")
    print(markdown(rungs(found["rungs"])) + "\n")
    for line in facts(found):
        print(f"- {line}")


if __name__ == "__main__":
    main()
