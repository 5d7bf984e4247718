"""A small tokenizer with the real one's anatomy: BPE with byte fallback, real control tokens, ids in no order.

Written from scratch as JSON, so that it is the same with every release of the library: merges are found by the plain
greedy algorithm on a paragraph of text.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"

CONTROL = [
    *("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]", "<|think|>", '<|"|>'),
    *("<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>"),
    *("<|channel>", "<channel|>", "<|turn>", "<turn|>", "<|image>", "<|image|>", "<image|>"),
    *("<|audio>", "<|audio|>", "<audio|>", "<|video|>"),
]
PLAIN_ADDED = ["<unused0>", "<table>", "\n\n", "\n\n\n", "\t\t"]  # added, yet not special: anyone may write them
CORPUS = """Go to the kitchen and pick up the red cube, then put it on the blue plate. The robot sees a red cube, a
green ball and a blue plate on the table. Turn left, turn right, move forward, stop. You are a careful robot. What do
you see in the image? Write a plan. call: name: description: type: STRING NUMBER OBJECT properties: required:
parameters: thought model user system value: true false find the leftmost thing and grasp it with the gripper at 0.5
speed, then wait."""
NAMES = {
    **{f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk", "mask")},
    **{"boi_token": "<|image>", "image_token": "<|image|>", "eoi_token": "<image|>"},
    **{"boa_token": "<|audio>", "audio_token": "<|audio|>", "eoa_token": "<audio|>"},
    **{"sot_token": "<|turn>", "eot_token": "<turn|>", "think_token": "<|think|>", "escape_token": '<|"|>'},
}


@lru_cache(maxsize=1)
def tokenizer_json() -> dict[str, Any]:
    """The content of tokenizer.json."""
    merges = _merges(CORPUS, 300)
    letters = sorted({letter for letter in CORPUS if letter != " "} | {"▁"} | set("<>|_{}[]\"'"))
    pieces = [*letters, *dict.fromkeys(left + right for left, right in merges)]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = [*CONTROL, *PLAIN_ADDED, *bytes_, *pieces]
    step = 7 if len(tokens) % 7 else 11  # coprime to the length: a shuffle without chance
    ids = {token: index * step % len(tokens) for index, token in enumerate(tokens)}
    assert len(set(ids.values())) == len(tokens)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": ids[token],
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": token in CONTROL,
            }
            for token in sorted(CONTROL + PLAIN_ADDED, key=ids.__getitem__)
        ],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [ids["<bos>"]], "tokens": ["<bos>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": ids,
            "merges": [list(pair) for pair in merges],
        },
    }


def write_tokenizer(folder: Path, template: bool = True, **config: Any) -> Path:
    """Fill ``folder`` with tokenizer.json, tokenizer_config.json (its entries may be set) and the test's template."""
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json()), encoding="utf-8")
    names = {"tokenizer_class": "GemmaTokenizer", **NAMES, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(names), encoding="utf-8")
    if template:
        source = (DATA / "chat_template.jinja").read_text(encoding="utf-8")
        (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
    return folder


def _merges(text: str, count: int) -> list[tuple[str, str]]:
    words = Counter(tuple(word + "▁") for word in text.replace("\n", " ").split(" "))
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = Counter({_merged(word, best): times for word, times in words.items()})
    return merges


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    result: list[str] = []
    index = 0
    while index < len(word):
        if word[index : index + 2] == pair:
            result.append(word[index] + word[index + 1])
            index += 2
        else:
            result.append(word[index])
            index += 1
    return tuple(result)
