"""Remakes tests/data/prompts.json with the reference: ``python -m tests.oracle.golden_prompts``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from tests.dialogues import DIALOGUES, OPTIONS
from tests.tokenizers import DATA, NAMES, write_tokenizer

TARGET = DATA / "prompts.json"


def reference_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The reference's tokenizer of the folder that :func:`write_tokenizer` filled."""
    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), chat_template=template, padding_side="left", **NAMES
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = reference_tokenizer(write_tokenizer(Path(folder)))
    cases: list[dict[str, Any]] = []
    for name, messages in DIALOGUES.items():
        for option, given in OPTIONS.items():
            options = {"add_generation_prompt": True, **given}
            text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
            ids = tokenizer.apply_chat_template(messages, return_dict=False, **options)
            cases.append({"dialogue": name, "options": option, "text": text, "ids": ids})
    lines = ",\n".join(json.dumps(case) for case in cases)
    TARGET.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{TARGET}: {len(cases)} cases")


if __name__ == "__main__":
    main()
