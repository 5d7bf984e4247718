"""Conversations that between them take every branch of tests/data/chat_template.jinja."""

from __future__ import annotations

from typing import Any

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "pick",
            "description": "  Pick up an object. ",
            "parameters": {
                "type": "object",
                "properties": {
                    "target": {"type": "string", "description": "What to pick", "enum": ["cube", "ball"]},
                    "at": {"type": "object", "properties": {"x": {"type": "number"}, "a": {"type": "number"}}},
                },
                "required": ["target"],
            },
        },
    },
    {"type": "function", "function": {"name": "wait", "description": "Wait."}},
]
CALL = {"type": "function", "function": {"name": "pick", "arguments": {"target": "cube", "n": 2, "fast": True}}}
DIALOGUES: dict[str, list[dict[str, Any]]] = {
    "user": [{"role": "user", "content": "  Write a long essay about Portugal. \n"}],
    "system": [
        {"role": "system", "content": " You are a robot. "},
        {"role": "user", "content": "Go!\n\n\nNow, é 🤖 \t\t."},
    ],
    "turns": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "What is 1 < 2, 3 > 2 and a[0]?"},
        {"role": "assistant", "content": "True, of course.", "reasoning": "not shown without calls"},
        {"role": "user", "content": [{"type": "text", "text": " And <b>this</b>, <table>? "}]},
    ],
    "calls": [
        {"role": "user", "content": "Pick up the cube"},
        {"role": "assistant", "reasoning": "The cube is red.", "tool_calls": [CALL, CALL]},
        {"role": "tool", "name": "pick", "content": {"ok": True, "found": ["cube", {"x": 1.5, "y": None}]}},
        {"role": "tool", "name": "pick", "content": "done, 5 < 7"},
        {"role": "assistant", "content": "It is done."},
        {"role": "user", "content": "Thanks"},
    ],
    "answer": [
        {"role": "user", "content": "Pick up the cube"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "name": "pick", "content": "picked"},
    ],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "thinking": {"enable_thinking": True},
    "tools": {"tools": TOOLS},
    "everything": {"tools": TOOLS, "enable_thinking": True, "add_generation_prompt": False},
}
