"""What the pages on execution say, held to the code."""

from __future__ import annotations

import re
from pathlib import Path

from dgemma_ros.execution.table import ExecutionTable
from dgemma_ros.execution.terms import TERMS
from dgemma_ros.skills.catalogue import SkillCatalogue

ROOT = Path(__file__).parents[2]
EXECUTION = (ROOT / "docs" / "execution.md").read_text(encoding="utf-8")
NAV2 = (ROOT / "docs" / "nav2.md").read_text(encoding="utf-8")


def test_the_mobile_robots_skills_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "skills.yaml"
    blocks = re.findall(r"```yaml\n(.*?)```", NAV2, re.DOTALL)
    assert len(blocks) == 1
    file.write_text(blocks[0])
    catalogue = SkillCatalogue.load(file)
    table = ExecutionTable.load(file, catalogue)
    assert set(table.entries) == set(catalogue.skills)
    fields = table.entries["go_by"].goal_fields({"x": 250, "y": -100, "heading": 90})
    assert (fields["pose.pose.position.x"], fields["pose.pose.position.y"]) == (2.5, -1.0)
    assert table.entries["go_to"].goal_fields({"place": "office"})["pose.pose.position.y"] == 4.1


def test_every_term_is_explained_and_every_test_that_closes_a_gate_is_there() -> None:
    rows = EXECUTION.split("| term | default | |")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", "\n".join(row.split("|")[1] for row in rows.splitlines() if row))) == set(
        TERMS
    )
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", EXECUTION))
    assert named and all(f"def {name}(" in tests for name in named), named


def test_links_lead_somewhere() -> None:
    for text in (EXECUTION, NAV2):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / "docs" / target).exists(), target
