"""``python -m benchmarks``: runs the benchmarks and prints their tables."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.table import Table

NAMES = (
    "against_transformers",
    "cache_append",
    "cache_edits",
    "cancelling",
    "deadlines",
    "large_pictures",
    "long_context",
    "plan_quality",
    "recall",
    "ros_overhead",
)


def main() -> None:
    """Runs the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default, all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it runs")
    given = parser.parse_args()
    for name in given.names:
        if name not in NAMES:
            parser.error(f"no benchmark {name!r}; there are {', '.join(NAMES)}")
    console = Console()
    tables = []
    for name in given.names or NAMES:
        table = importlib.import_module(f"benchmarks.{name}").run(given.quick)
        show(console, table)
        tables.append(asdict(table))
    if given.json:
        given.json.write_text(json.dumps({"machine": platform.processor(), "tables": tables}, indent=1) + "\n")


def show(console: Console, table: Table) -> None:
    """Prints one table."""
    rich = RichTable(title=table.title, caption="\n".join(table.notes))
    for column in table.columns:
        rich.add_column(column)
    for row in table.rows:
        rich.add_row(*map(str, row))
    console.print(rich)


if __name__ == "__main__":
    main()
