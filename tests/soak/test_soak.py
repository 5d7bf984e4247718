"""Half a minute of soak: every act once, judged as the long one is (`make soak MINUTES=30`)."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.nodes.graph import ROOT


def test_a_short_soak_holds_all_promises() -> None:
    command = [sys.executable, "-m", "tests.soak", "--minutes", "0.4", "--seed", "14", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.stdout, done.stderr
    outcome = json.loads(done.stdout)
    broken = {row["promise"]: row["broken"] for row in outcome["rows"] if row["broken"]}
    assert not broken and done.returncode == 0, (broken, done.stderr)
    assert {"SIGKILL", "SIGTERM", "cleanup", "clocks"} <= set(outcome["acts"])
    assert sum(outcome["statuses"].values()) > 50
