"""``python -m tests.soak --minutes 30``: torments the nodes, prints what was promised and whether it held.

Exit status 1 where a promise was broken. The same seed does the same things in the same order.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.table import fill, markdown
from tests.nodes.graph import Graph, own_graph
from tests.soak.run import NANO, Outcome, Soak

SHOWN = 10
"""Broken promises of a kind that are shown; all are in the JSON."""


def main() -> int:
    """Runs one soak."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the clock's")
    parser.add_argument("--model", type=Path, default=NANO, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the table in its place in this page")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="default: a new folder, which is named")
    given = parser.parse_args()
    logs = given.logs or Path(tempfile.mkdtemp(prefix="dgemma_soak_"))
    logs.mkdir(parents=True, exist_ok=True)
    print(f"seed {given.seed}; logs in {logs}", file=sys.stderr)
    with (logs / "soak.log").open("w") as diary, own_graph(logs):

        def note(line: str) -> None:
            print(time.strftime("%H:%M:%S"), line, file=diary, flush=True)

        graph = Graph(logs)
        try:
            outcome = Soak(graph, given.seed, note, given.model).run(60 * given.minutes)
        finally:
            graph.close()
    if given.json:
        print(json.dumps(asdict(outcome), default=as_json))
    else:
        print(as_text(outcome))
    if given.into:
        fill(given.into, "soak", as_markdown(outcome))
    return int(outcome.broken)


def as_json(value: object) -> object:
    """What JSON does not know: paths, and sets of them."""
    return sorted(map(str, value)) if isinstance(value, set) else str(value)


def as_text(outcome: Outcome) -> str:
    """For a terminal."""
    lines = []
    for row in outcome.rows:
        lines.append(f"{'BROKEN' if row.broken else 'held  '}  {row.promise}: {row.tried}")
        lines += [f"          {text}" for text in row.broken[:SHOWN]]
        lines += [f"          and {len(row.broken) - SHOWN} more"] if len(row.broken) > SHOWN else []
    return "\n".join([*lines, "", conditions(outcome)])


def as_markdown(outcome: Outcome) -> str:
    """For docs/promises.md."""
    rows = [
        (row.promise, row.tried, f"broken {len(row.broken)} times" if row.broken else "yes") for row in outcome.rows
    ]
    return markdown(("promise", "tried on", "held"), rows, [conditions(outcome)])


def conditions(outcome: Outcome) -> str:
    """What was done, and where."""
    acts = ", ".join(f"{count} × {name}" for name, count in sorted(outcome.acts.items()))
    statuses = ", ".join(f"{count} {name}" for name, count in outcome.statuses.items())
    machine = (
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} (a thread that only slept was woken up to "
        f"{1e3 * outcome.lateness:.0f} ms late), Python {platform.python_version()}"
    )
    began = f"Seed {outcome.seed}, {outcome.seconds:.0f} s on {machine}"
    return f"{began}. Acts: {acts}. Plans: {statuses}; {outcome.drafts} drafts."


if __name__ == "__main__":
    sys.exit(main())
