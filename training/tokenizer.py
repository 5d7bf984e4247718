"""Builds the nano tokenizer: whole words as tokens, single characters and bytes for everything else.

The pieces are those of the released tokenizer: spaces become "▁", a BPE model with byte fallback, special tokens that
match as strings. Instead of learned merges the vocabulary lists every piece that the prompts and plans are made of
(`ignore_merges`), so a plan is short: a canvas of 72 tokens holds six calls of two arguments each. Ids differ from
the released ones on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from dgemma_ros.context.results import REASONS, ResultStatus
from dgemma_ros.tabletop.scenes import COLOURS, PLACES, SHAPES

SPARE = 64  # tokens at least for words to come: new words must not shift the ids of old ones
ADDED = ("At", "Last", "Let", "Only", "Think", "Wait", "Wrong", "You", "▁needed", "▁reversed")  # such words
STATUS = tuple(map(str, ResultStatus))
SKILLS = {
    "pick": ("object",),
    "place": ("object", "target"),
    "stack": ("object", "on"),
    "push": ("direction", "distance", "object"),
    "look": ("object",),
    "say": ("text",),
    "done": (),
}
SPECIAL = (
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<mask>",
    "<|tool>",
    "<tool|>",
    "<|tool_call>",
    "<tool_call|>",
    "<|tool_response>",
    "<tool_response|>",
    '<|"|>',
    "<|think|>",
    "<|channel>",
    "<channel|>",
    "<|turn>",
    "<turn|>",
    "<|image>",
    "<|image|>",
    "<image|>",
    "<|audio>",
    "<|audio|>",
    "<audio|>",
    "<|video|>",
)
# In this order: `call:pick{object:`, a call's skill and first argument, so that choosing a skill is one decision;
# `{object:` and `}},required:[` of calls and declarations; names of things and places ("red block");
# words with their space; numbers up to 99; the rest. A name that is one token can be copied by one look. An argument's
# name is looked for no further than 40 letters ahead: without an end to that, a long row of `_` took minutes.
_NAMES = f"(?:{'|'.join(COLOURS)})▁(?:{'|'.join(SHAPES)})(?![A-Za-z])|(?:left|right)▁(?:tray|side)(?![A-Za-z])"
_PIECES = (
    rf"(?:call|response):[a-z_]+\{{(?:[a-z_]+:\{{?)*|[\]}}\[{{,]*[a-z_]{{1,40}}:[\[{{]*|▁?(?:{_NAMES})|▁?[A-Za-z]+"
    r"|[1-9][0-9]|[0-9]|\n|▁|[\]}\[{,]+|[^\n]"
)


def pieces(texts: Iterable[str]) -> list[str]:
    """The distinct pieces of some texts (special tokens cut out), in sorted order."""
    split = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    found: set[str] = set()
    for text in texts:
        for name in SPECIAL:
            text = text.replace(name, "\0")
        for part in text.split("\0"):
            found.update(piece for piece, _ in split.pre_tokenize_str(part.replace(" ", "▁")))
    return sorted(found)


def build(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer whose vocabulary holds the special tokens, 256 bytes, printable ASCII and every piece of `texts`."""
    characters = ["▁", "\n"] + [chr(c) for c in range(33, 127)]
    order = [*SPECIAL, *(f"<0x{b:02X}>" for b in range(256)), *characters]
    order += [p for p in pieces(texts) if p not in {*order, *ADDED}]
    order += ADDED
    order += [f"<unused{i}>" for i in range(-len(order) % 64 + SPARE)]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={t: i for i, t in enumerate(order)},
            merges=[],
            byte_fallback=True,
            ignore_merges=True,
            unk_token="<unk>",
            fuse_unk=False,
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIAL])
    return tokenizer


def corpus() -> list[str]:
    """Texts in which every word of the domain occurs as it can stand in a prompt."""
    from training import prompt, tasks, words

    texts = [prompt.system_text(), "user\nmodel\nsystem\nthought\n00:00 front 00:00 rear note: "]
    for text in words.vocabulary():
        texts += [f" {text}", *(f"\n{form}" for form in (text, text.capitalize()))]
    texts += [f"\n{form}" for start in words.BEFORE.split("|") for form in (start, start.capitalize())]
    texts += [f"\n{word}" for word in words.COMMON]
    names = [
        *COLOURS,
        *SHAPES,
        *tasks.NAMES,
        *PLACES,
        *tasks.EXTREMES,
        "object",
        "thing",
        "one",
        "thing",
        "the",
        "that",
    ]
    texts += [form for word in names for form in (word, f" {word}", f"\n{word.capitalize()}")]
    texts += [f" {form}" for word in (*COLOURS, *SHAPES) for form in (f"{word} ones", f"{word} things", f"{word}s")]
    texts += [
        f" {word}" for word in ("objects", "left", "right", "away", "closer", "to the left", "onto", "in", "into")
    ]
    for skill, arguments in SKILLS.items():
        given = dict.fromkeys(arguments, "x")
        texts += [prompt.plan_text(((skill, given),)), *(prompt.result_text(skill, given, s, "") for s in STATUS)]
    texts += [prompt.result_text("place", {"object": "x", "target": "y"}, "FAILED", reason) for reason in REASONS]
    texts += [prompt.plan_text((("push", {"direction": "left", "distance": 3, "object": "x"}),))]
    texts += [tasks.CANNOT, tasks.NOT_UNDERSTOOD, tasks.NOT_THERE, tasks.WHICH, tasks.NOTHING]
    texts += [f"{number} {number}" for number in range(100)]
    return texts


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json as transformers reads them."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 8192,
        "padding_side": "left",
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "boi_token": "<|image>",
        "image_token": "<|image|>",
        "eoi_token": "<image|>",
        "clean_up_tokenization_spaces": False,
        "additional_special_tokens": [t for t in SPECIAL if t not in ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
