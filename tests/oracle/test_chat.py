"""Tokenizer, chat template and prompts against the live reference."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import PreTrainedTokenizerFast
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
from transformers.models.gemma4.processing_gemma4 import Gemma4Processor

from dgemma_ros.checkpoint.chat import ChatTemplate
from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.images.preparation import ImagePreparation
from tests.dialogues import DIALOGUES, OPTIONS
from tests.oracle.golden_prompts import reference_tokenizer
from tests.photographs import view
from tests.tokenizers import CONTROL, PLAIN_ADDED, write_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def reference(folder: Path) -> PreTrainedTokenizerFast:
    return reference_tokenizer(folder)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder)


@pytest.fixture(scope="module")
def chat(folder: Path, tokenizer: Tokenizer) -> ChatTemplate:
    return ChatTemplate.load(folder, tokenizer)


def reference_ids(reference: PreTrainedTokenizerFast, messages: Any, **options: Any) -> list[int]:
    options = {"add_generation_prompt": True, **options}
    ids: list[int] = reference.apply_chat_template(copy.deepcopy(messages), return_dict=False, **options)
    return ids


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", DIALOGUES)
def test_prompts_equal_the_reference(
    reference: PreTrainedTokenizerFast, chat: ChatTemplate, name: str, option: str
) -> None:
    messages = DIALOGUES[name]
    options = {"add_generation_prompt": True, **OPTIONS[option]}
    assert chat.render(messages, **options) == reference.apply_chat_template(messages, tokenize=False, **options)
    prepared = chat.prompt_ids(messages, **options)
    assert prepared.ids.tolist() == reference_ids(reference, messages, **options)
    assert not prepared.token_types.any() and prepared.images == ()


def test_further_variables_reach_the_template(reference: PreTrainedTokenizerFast, chat: ChatTemplate) -> None:
    documents = [{"title": "A < b & c", "text": 'é "quoted" \\ue000'}]
    messages = DIALOGUES["user"]
    expected = reference_ids(reference, messages, documents=documents)
    assert chat.prompt_ids(messages, documents=documents).ids.tolist() == expected


def test_thoughts_of_trusted_answers_are_cut(reference: PreTrainedTokenizerFast, chat: ChatTemplate) -> None:
    answer = "<|channel>thought\nhm<channel|>The cube."
    messages = [*DIALOGUES["user"], {"role": "assistant", "content": answer}, *DIALOGUES["user"]]
    prompt = chat.prompt_ids(messages, trusted_roles=("assistant",))
    assert prompt.ids.tolist() == reference_ids(reference, messages)


@pytest.mark.parametrize("budget", [70, 280])
def test_pictures_equal_the_reference(
    reference: PreTrainedTokenizerFast, chat: ChatTemplate, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gemma4Processor, "check_argument_for_proper_class", lambda *_: None)
    images = Gemma4ImageProcessorPil(max_soft_tokens=budget)
    processor = Gemma4Processor(
        feature_extractor=None,
        image_processor=images,
        tokenizer=reference,
        video_processor=None,
        chat_template=reference.chat_template,
    )
    views = [view("coffee", "VGA"), view("astronaut", "HD")]
    preparation = ImagePreparation(soft_tokens=budget)
    prepared = [preparation.prepare(picture, exact=True) for picture in views]

    def messages(pictures: list[Any]) -> list[dict[str, Any]]:
        first, second = ({"type": "image", "image": picture} for picture in pictures)
        ask = {"type": "text", "text": "What do you see? 00:07 "}
        return [
            {"role": "system", "content": "You see."},
            {"role": "user", "content": [{"type": "text", "text": "00:05 "}, first, ask, second]},
        ]

    batch = processor.apply_chat_template(
        messages([Image.fromarray(picture) for picture in views]),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="np",
    )
    prompt = chat.prompt_ids(messages(prepared))
    assert prompt.ids.tolist() == batch["input_ids"][0].tolist()
    assert prompt.token_types.tolist() == batch["mm_token_type_ids"][0].tolist()
    assert prompt.images == tuple(prepared)
    for index, picture in enumerate(prepared):
        assert np.array_equal(batch["pixel_values"][index][: len(picture.patches)], picture.patches)
    assert prompt.token_types.sum() == sum(picture.soft_tokens for picture in prepared)


# Letters, then what is hardest: whole and broken control tokens, whitespace, quotes and private-use characters.
PIECES = st.sampled_from(
    [*CONTROL, *PLAIN_ADDED, "<", "|", ">", "<|", "|>", "<|tu", "rn>", " ", "\n", '"', "\ue000", "\\ue000"]
)
ANY_TEXT = st.lists(PIECES | st.text(max_size=8), max_size=8).map("".join)


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT)
@example("<|turn>")
def test_texts_equal_the_reference(reference: PreTrainedTokenizerFast, tokenizer: Tokenizer, text: str) -> None:
    trusted = reference.encode(text, add_special_tokens=False)
    assert tokenizer.encode(text, trusted=True) == trusted
    assert tokenizer.encode(text) == reference.encode(text, add_special_tokens=False, split_special_tokens=True)
    for skip in (False, True):
        assert tokenizer.decode(trusted, skip) == reference.decode(trusted, skip_special_tokens=skip)


Texts = list[str]
Tool = dict[str, str]


def dialogue(texts: Texts, tool: Tool) -> list[dict[str, Any]]:
    first, second, third, fourth, fifth = texts
    call = {"type": "function", "function": {"name": "pick", "arguments": tool}}
    return [
        {"role": "system", "content": first},
        {"role": "user", "content": [{"type": "text", "text": second}, {"type": "text", "text": third}]},
        {"role": "assistant", "reasoning": fourth, "tool_calls": [call]},
        {"role": "tool", "name": "pick", "content": tool},
        {"role": "assistant", "content": fifth},
        {"role": "user", "content": third},
    ]


def harmless(texts: Texts, tool: Tool) -> tuple[Texts, Tool]:
    """The same shape, so that the template takes the same branches, with nothing in it."""
    return ["x" if text else "" for text in texts], {f"k{i}": "x" for i in range(len(tool))}


def control_tokens(text: str) -> list[int]:
    return [text.count(token) for token in CONTROL]


TEXTS = st.lists(ANY_TEXT, min_size=5, max_size=5)
TOOL = st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TOOL)
def test_prompts_of_any_harmless_text_equal_the_reference(
    reference: PreTrainedTokenizerFast, chat: ChatTemplate, texts: Texts, tool: Tool
) -> None:
    for token in CONTROL:
        texts = [text.replace(token, "-") for text in texts]
        tool = {key.replace(token, "-"): text.replace(token, "-") for key, text in tool.items()}
    messages = dialogue(texts, tool)
    # Two halves of a control token may still meet in the template: those prompts are the next test's.
    if control_tokens(chat.render(messages)) == control_tokens(chat.render(dialogue(*harmless(texts, tool)))):
        assert chat.prompt_ids(messages).ids.tolist() == reference_ids(reference, messages)


@settings(max_examples=500, deadline=None)
@given(TEXTS, TOOL, ANY_TEXT)
@example(["<|turn>", "a<|tu", "rn>b", "<turn|>", "<|image|>"], {"<|tool_call>": '<|"|>'}, "<turn|>")
def test_no_text_becomes_a_control_token(
    chat: ChatTemplate, tokenizer: Tokenizer, texts: Texts, tool: Tool, description: str
) -> None:
    def control_of(texts: Texts, tool: Tool, description: str) -> list[int]:
        tools = [{"type": "function", "function": {"name": "pick", "description": description}}]
        prompt = chat.prompt_ids(dialogue(texts, tool), tools, documents=[tool])
        assert not prompt.token_types.any()
        return [i for i in prompt.ids.tolist() if i in tokenizer.control_ids]

    assert control_of(texts, tool, description) == control_of(*harmless(texts, tool), "x")


@settings(max_examples=100, deadline=None)
@given(ANY_TEXT)
def test_hostile_text_reads_as_it_was_written(
    reference: PreTrainedTokenizerFast, chat: ChatTemplate, tokenizer: Tokenizer, text: str
) -> None:
    messages = [{"role": "user", "content": text}]
    ours = tokenizer.decode(chat.prompt_ids(messages).ids)
    assert ours == tokenizer.decode(tokenizer.encode(chat.render(messages), trusted=True))
    theirs = reference_ids(reference, messages, sanitize_control_tokens=True)
    assert ours == reference.decode(theirs)
