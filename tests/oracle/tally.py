"""What was compared with the reference in all, told when the tests are done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.compare import Report


@dataclass
class Tally:
    cases: int = 0
    steps: int = 0
    positions: int = 0
    ties: Counter[str] = field(default_factory=Counter)
    worst: dict[str, float] = field(default_factory=dict)
    judged_twice: int = 0
    """Cases in which the reference's own two attentions differ by more than the tolerance."""

    def add(self, report: Report, steps: int, judged_twice: bool) -> None:
        self.cases += 1
        self.steps += steps
        self.positions += report.compared
        self.ties.update(report.ties)
        self.judged_twice += judged_twice
        for name, amount in report.worst.items():
            kind = name.split("_")[0] if name.startswith(("key_", "value_")) else name
            self.worst[kind] = max(amount, self.worst.get(kind, 0.0))

    def lines(self) -> list[str]:
        ties = ", ".join(f"{name} {count}" for name, count in self.ties.items())
        worst = ", ".join(f"{name} {amount:.1e}" for name, amount in self.worst.items())
        return [
            f"{self.cases} cases, {self.steps} steps under teacher forcing, every choice of {self.positions} positions",
            f"ties: {ties}; largest differences: {worst}",
            f"cases where only the reference's other attention was near enough: {self.judged_twice}",
        ]


TALLY = Tally()
