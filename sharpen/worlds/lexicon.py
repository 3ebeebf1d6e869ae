"""The tiny model's tokenizer, chat template and image processor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlavaProcessor, PreTrainedTokenizerFast

VOCABULARY = 640
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
SPECIAL = ("<|im_start|>", "<|im_end|>", "<|pad|>", "<image>")
IMAGE_SIZE, PATCH = 64, 16
PLACEHOLDERS = (IMAGE_SIZE // PATCH) ** 2

WORDS = Regex(r" ?[A-Za-z]+|\d{1,2}| ?[^\sA-Za-z\d]+ ?|\s+")
"""A mark takes the blanks around it, so that a number is the same token wherever it stands."""

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% elif part['type'] == 'image' %}<image>{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def learn(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Learn byte-level BPE from texts.

    The tags are ordinary added tokens: as special tokens they would be lost wherever answers are
    decoded with `skip_special_tokens=True`, which most trainers and engines do.
    """
    core: Any = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(WORDS, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer: Any = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(TAGS) - len(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    core.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in SPECIAL])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        extra_special_tokens={"image_token": "<image>"},
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
        padding_side="left",
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Join the tokenizer with the image processor, without the need of torchvision."""
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    images: Any = SiglipImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=TEMPLATE,
    )


def prompt_ids(tokenizer: Any, system: str, question: str, image: bool, question_first: bool) -> list[int]:
    """Tokenise a prompt as the library renders it: each piece of text and each piece of markup on its own."""

    def ids(text: str, split_special_tokens: bool = False) -> list[int]:
        found: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=split_special_tokens)
        return found

    picture = [tokenizer.convert_tokens_to_ids("<image>")] * PLACEHOLDERS if image else []
    asked = ids(question, split_special_tokens=True)
    user = asked + picture if question_first else picture + asked
    opening = ids("<|im_start|>system\n") + ids(system, split_special_tokens=True)
    return opening + ids("<|im_end|>\n<|im_start|>user\n") + user + ids("<|im_end|>\n<|im_start|>assistant\n")
