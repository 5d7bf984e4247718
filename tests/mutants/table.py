"""Which tests answer for which module: each below tests/, quick ones first."""

from __future__ import annotations


def of(room: str, *names: str) -> str:
    return " ".join(f"{room}/test_{name}.py" for name in names)


TESTS = {
    "generation.canvas_loop": "generation",
    "generation.generate": "generation",
    "generation.repair": "generation/test_repair.py generation/test_generate.py",
    "generation.pins": "generation/test_pins.py generation/test_generate.py",
    "runtime.sampling": "runtime/test_sampling.py generation/test_canvas_loop.py",
    "runtime.sequence": of(
        "runtime", "sequence_slots", "sequence_limits", "sequence_refusals", "sequence_edits", "sequence"
    ),
    "runtime.row_table": "runtime/test_row_table.py runtime/test_sequence_slots.py",
    "runtime.visibility": "runtime/test_visibility.py runtime/test_sequence_slots.py runtime/test_sequence_refusals.py",
    "runtime.reserved": "runtime/test_reserved.py",
    "runtime.keys": "runtime/test_rotary.py runtime/test_ort_cache.py runtime/test_sequence_slots.py",
    "skills.validation": "skills",
    "skills.parser": "skills generation/test_pins.py",
    "skills.calls": "skills generation/test_pins.py",
    "planning.budget": of("planning", "budget", "jobs", "deadlines", "worker"),
    "planning.jobs": of("planning", "jobs", "planner", "deadlines"),
    "planning.scheduler": of("planning", "jobs", "planner", "deadlines", "memory"),
    "planning.plan_writer": of("planning", "planner", "deadlines", "memory", "failures"),
    "planning.publisher": of("planning", "planner", "deadlines", "worker", "memory", "invariants"),
    "planning.worker": of("planning", "worker", "memory", "deadlines", "failures", "planner"),
    "context.log": "context/test_log.py context/test_prompt.py planning/test_memory.py",
    "context.retention": "context/test_retention.py context/test_forgetting.py",
    "context.mirror": "context/test_mirror.py context/test_forgetting.py",
    "context.transcript": of("context", "transcript", "prompt", "mirror", "forgetting") + " planning/test_slices.py",
    "context.moving": "context/test_moving.py",
    "context.positions": "context/test_positions.py",
    "context.guarded": "context/test_mirror.py context/test_forgetting.py",
    "context.places": of("context", "places", "moving"),
    "context.recall": "context/test_recall.py journal/test_recall.py",
    "context.room": "context/test_room.py",
    "context.notes": "context/test_notes.py",
    "context.frame_segments": of("context", "frame_segments", "prompt"),
    "journal.arrivals": of("journal", "writer", "arrivals"),
    "journal.writer": of("journal", "writer", "store", "arrivals"),
    "images.resample": "images",
    "execution.gates": "execution/test_gates.py execution/test_dispatch.py execution/test_orders_of_events.py",
}
