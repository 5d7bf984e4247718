"""The reference on one thread: tiny products on two cost more in waiting than they save."""

from __future__ import annotations

import pytest
import torch

from tests.oracle.tally import TALLY


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.cases:
        terminalreporter.section("compared with the reference")
        for line in TALLY.lines():
            terminalreporter.write_line(line)
