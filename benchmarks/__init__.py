"""Benchmarks: always ratios within one run, against the reference and against what the machine can do.

Each module has a ``run(quick) -> Table``; ``python -m benchmarks [NAME …] [--json FILE] [--quick]`` runs them.
"""
