"""Which tests answer for which module: each below tests/, quick ones first."""

from __future__ import annotations

TESTS = {
    "generation.canvas_loop": "generation",
    "generation.generate": "generation",
    "generation.repair": "generation/test_repair.py generation/test_generate.py",
    "generation.pins": "generation/test_pins.py generation/test_generate.py",
    "runtime.sampling": "runtime/test_sampling.py generation/test_canvas_loop.py",
    "runtime.sequence": "runtime/test_sequence.py runtime/test_sequence_slots.py runtime/test_ort_session.py",
    "runtime.row_table": "runtime/test_sequence.py runtime/test_sequence_slots.py",
    "runtime.visibility": "runtime/test_visibility.py runtime/test_sequence_slots.py",
    "runtime.keys": "runtime/test_rotary.py runtime/test_ort_cache.py runtime/test_sequence_slots.py",
    "skills.validation": "skills",
    "skills.parser": "skills generation/test_pins.py",
    "skills.calls": "skills generation/test_pins.py",
    "planning.budget": "planning/test_budget.py planning/test_jobs.py planning/test_planner.py",
    "planning.jobs": "planning/test_jobs.py planning/test_planner.py",
    "planning.scheduler": "planning/test_jobs.py planning/test_planner.py",
    "planning.plan_writer": "planning/test_planner.py planning/test_failures.py",
    "planning.publisher": "planning/test_planner.py planning/test_failures.py planning/test_invariants.py",
    "planning.worker": "planning/test_planner.py planning/test_failures.py",
    "context.log": "context/test_log.py context/test_prompt.py planning/test_planner.py",
    "context.retention": "context/test_log.py context/test_forgetting.py",
    "context.mirror": "context/test_mirror.py context/test_forgetting.py",
    "images.resample": "images",
    "execution.gates": "execution/test_dispatch.py execution/test_orders_of_events.py",
}
