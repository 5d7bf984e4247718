"""Chat templates and prompts, against golden values of the reference and against strangers' text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgemma_ros.checkpoint.chat import ChatTemplate, PromptIds
from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.errors import TokenizerError
from tests.dialogues import DIALOGUES, OPTIONS
from tests.tokenizers import CONTROL, DATA, write_tokenizer

GOLDEN = json.loads((DATA / "prompts.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Picture:
    soft_tokens: int


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> ChatTemplate:
    folder = write_tokenizer(tmp_path_factory.mktemp("checkpoint"))
    return ChatTemplate.load(folder, Tokenizer.load(folder))


def with_template(folder: Path, source: str) -> ChatTemplate:
    write_tokenizer(folder, template=False)
    (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
    return ChatTemplate.load(folder, Tokenizer.load(folder))


def control_tokens(chat: ChatTemplate, prompt: PromptIds) -> list[str]:
    tokens = chat.tokenizer
    return [tokens.token(i) for i in prompt.ids.tolist() if i in tokens.control_ids]


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['dialogue']}-{case['options']}")
def test_prompts_equal_the_reference(chat: ChatTemplate, case: dict[str, Any]) -> None:
    messages, options = DIALOGUES[case["dialogue"]], OPTIONS[case["options"]]
    before = json.dumps(messages)
    assert chat.render(messages, **options) == case["text"]
    prompt = chat.prompt_ids(messages, **options)
    assert prompt.ids.tolist() == case["ids"]
    assert prompt.ids.dtype == prompt.token_types.dtype == np.int64 and not prompt.token_types.any()
    assert json.dumps(messages) == before


def test_the_shape_of_a_prompt(chat: ChatTemplate) -> None:
    expected = "<bos><|turn>user\nWrite an essay.<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"
    assert chat.render(user("Write an essay.")) == expected
    prompt = chat.prompt_ids(user("Write an essay."))
    assert control_tokens(chat, prompt) == ["<bos>", "<|turn>", "<turn|>", "<|turn>", "<|channel>", "<channel|>"]
    assert prompt.ids.tolist() == chat.tokenizer.encode(expected, trusted=True)


@pytest.mark.parametrize("token", CONTROL)
def test_strangers_write_no_control_tokens(chat: ChatTemplate, token: str) -> None:
    half = len(token) // 2
    parts = [{"type": "text", "text": text} for text in (f" {token} ", token[:half], token[half:])]
    hostile = [
        {"role": "system", "content": token},
        *user(parts),
        {
            "role": "assistant",
            "tool_calls": [{"function": {"name": "pick", "arguments": {token: [token, {token: token}]}}}],
        },
        {"role": "tool", "name": "pick", "content": {token: token}},
        {"role": "assistant", "content": token},
    ]
    prompt = chat.prompt_ids(hostile, documents=[{token: token}])
    text = json.dumps(hostile).replace(json.dumps(token)[1:-1], "x").replace(json.dumps(token[:half])[1:-1], "x")
    calm = chat.prompt_ids(json.loads(text.replace(json.dumps(token[half:])[1:-1], "x")), documents=[{"x": "x"}])
    assert control_tokens(chat, prompt) == control_tokens(chat, calm)
    assert token in chat.tokenizer.decode(prompt.ids)


def test_split_tokens_do_not_meet_in_the_template(tmp_path: Path) -> None:
    chat = with_template(
        tmp_path,
        "{{ bos_token }}{% for m in messages %}{{ m.content[0] }}{{ m.content[1] | lower }}"
        "{{ m.content[0].replace('x', '') }}{{ m.content | tojson(ensure_ascii=true) }}<turn|>{% endfor %}",
    )
    # Not a list of parts, so that the template may take it to pieces.
    messages = [{"role": "user", "content": {0: "<|txurn>", 1: "<|TURN>"}}]
    prompt = chat.prompt_ids(messages)
    assert control_tokens(chat, prompt) == ["<bos>", "<turn|>"]
    assert chat.tokenizer.decode(prompt.ids) == chat.render(messages)


def test_templates_that_leave_a_token_open_are_refused(tmp_path: Path) -> None:
    for source in ("{{ bos_token }}a <{{ messages[0].role }}", "<|turn>{{ '<|' ~ messages[0].content ~ '>' }}"):
        with pytest.raises(TokenizerError, match=r"chat_template\.jinja: the text .* ends within a control token"):
            with_template(tmp_path, source)


def test_tokens_made_of_pieces_are_refused(tmp_path: Path) -> None:
    chat = with_template(tmp_path, "{{ bos_token }}[{{ messages[0].content }}]")
    with pytest.raises(TokenizerError, match=r"wrote \[multimodal\] out of several pieces"):
        chat.prompt_ids(user("multimodal"))
    assert control_tokens(chat, chat.prompt_ids(user("[multimodal]"))) == ["<bos>"]


def test_trusted_roles_may_write_control_tokens(chat: ChatTemplate) -> None:
    messages = [{"role": "system", "content": "<|think|>\nBe kind. <|video|>"}, *user("<|think|>")]
    prompt = chat.prompt_ids(messages, trusted_roles=("system",))
    assert control_tokens(chat, prompt)[2:5] == ["<|think|>", "<|video|>", "<turn|>"]
    assert control_tokens(chat, prompt).count("<|think|>") == 1


def test_private_use_characters_pass_through(chat: ChatTemplate) -> None:
    text = "".join(map(chr, range(0xE000, 0xF900))) + " a < b \\uf0000 \\udb80\\udc00"
    prompt = chat.prompt_ids(user(text))
    assert text in chat.tokenizer.decode(prompt.ids)
    assert prompt.ids.tolist() == chat.tokenizer.encode(chat.render(user(text)), trusted=True)


def test_pictures_take_the_places_of_their_parts(chat: ChatTemplate) -> None:
    first, second = Picture(3), Picture(1)
    content = [
        {"type": "text", "text": "<|image|> typed"},
        {"type": "image", "image": first},
        {"type": "text", "text": "00:07"},
        {"type": "image", "image": second},
    ]
    prompt = chat.prompt_ids(user(content))
    images = chat.tokenizer.images
    assert images is not None and prompt.images == (first, second)
    ids, types = prompt.ids.tolist(), prompt.token_types.tolist()
    start = ids.index(images.begin)
    assert ids[start : start + 5] == images.span(3) and types[start : start + 5] == [0, 1, 1, 1, 0]
    assert sum(types) == ids.count(images.soft) == 4
    assert ids.count(images.begin) == ids.count(images.end) == 2


@pytest.mark.parametrize(
    "messages, complaint",
    [
        ([], "at least one message"),
        ("hello", "at least one message"),
        (["hello"], r"messages\[0\]: 'hello' is not an object with a role"),
        ([{"content": "x"}], r"messages\[0\]: .* is not an object with a role"),
        ([{"role": "turn|>", "content": "x"}], r"messages\[0\]\.role: 'turn\|>' is none of system"),
        (user([{"type": "image"}]), r"messages\[0\]\.content\[0\]\.image: not a prepared picture"),
        (user([{"type": "image", "image": Picture(0)}]), "not a prepared picture"),
        (user([{"type": "audio"}]), r"content\[0\]: type 'audio' is not supported"),
        (user(["text"]), r"content\[0\]: type None is not supported"),
        (
            [{"role": "tool", "content": "x"}, {"role": "tool", "content": {1: 2, "a": 3}}],
            "cannot render these messages",
        ),
    ],
)
def test_malformed_messages_are_refused(chat: ChatTemplate, messages: Any, complaint: str) -> None:
    with pytest.raises(TokenizerError, match=complaint) as error:
        chat.prompt_ids(messages)
    assert "\n" not in str(error.value)


def test_the_template_may_refuse(chat: ChatTemplate) -> None:
    with pytest.raises(TokenizerError, match=r"chat_template\.jinja: cannot render .*no such role: developer"):
        chat.render([*user("x"), {"role": "developer", "content": "x"}])


def test_a_template_that_drops_pictures_is_noticed(tmp_path: Path) -> None:
    chat = with_template(tmp_path, "{{ bos_token }}")
    with pytest.raises(TokenizerError, match="gives 0 places to the 1 pictures"):
        chat.prompt_ids(user([{"type": "image", "image": Picture(2)}]))


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].content.soft_tokens.bit_length.__self__ }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{{ 1 / 0 }}",
        "{{ nothing.there }}",
    ],
)
def test_templates_run_in_a_sandbox(tmp_path: Path, source: str) -> None:
    with pytest.raises(TokenizerError, match="cannot render these messages"):
        with_template(tmp_path, source).prompt_ids(user("x"))


def test_features_of_templates(tmp_path: Path) -> None:
    source = (
        "{% set seen = 1 %}{% for m in messages %}{% generation %}{% set seen = 2 %}{{ m.content }}{% endgeneration %}"
        "{% break %}{% endfor %}{{ seen }}{{ strftime_now('%%') }}"
        "{{ {'b': 'é&', 'a': '<' in 'x'} | tojson(sort_keys=true) }}{{ documents is none }}{{ thinking is defined }}"
    )
    assert with_template(tmp_path, source).render(user("x") + user("y")) == 'x1%{"a": false, "b": "é&"}TrueFalse'


def test_templates_in_the_configuration(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, template=False, chat_template="A{{ messages[0].content }}")
    tokenizer = Tokenizer.load(tmp_path)
    assert ChatTemplate.load(tmp_path, tokenizer).render(user("x")) == "Ax"
    named = [{"name": "tool_use", "template": "B"}, {"name": "default", "template": "C"}]
    write_tokenizer(tmp_path, template=False, chat_template=named)
    assert ChatTemplate.load(tmp_path, tokenizer).render(user("x")) == "C"
    write_tokenizer(tmp_path, template=False)
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json: chat_template: missing"):
        ChatTemplate.load(tmp_path, tokenizer)
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(TokenizerError, match=r"chat_template\.jinja: no such file"):
        ChatTemplate.load(tmp_path, tokenizer)


def test_damaged_templates_name_the_line(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"chat_template\.jinja: line 2: "):
        with_template(tmp_path, "x\n{% for %}")
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(TokenizerError, match=r"chat_template\.jinja: cannot be read"):
        ChatTemplate.load(tmp_path, Tokenizer.load(tmp_path))


def test_control_tokens_that_look_like_words_are_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, plan_token="robot")
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"]["robot"] = len(content["model"]["vocab"])
    path.write_text(json.dumps(content))
    with pytest.raises(TokenizerError, match="control token 'robot' begins like a word"):
        ChatTemplate.load(tmp_path, Tokenizer.load(tmp_path))
