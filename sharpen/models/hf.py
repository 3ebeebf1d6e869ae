"""Any transformers image-text-to-text model whose family file exists, on CPU or one GPU.

Each prompt is read once and its cache branched into the attempts; finished rows leave the batch.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.utils import logging as transformers_logging

from ..errors import ModelError
from ..progress import say
from ..types import Part, Reading, Task
from . import families, identity, memory
from .branches import dispatches
from .decode import decode, ordered, standing
from .lines import Line, alike, continued, packed
from .loading import adapted, chat_template, parts, sees, speech, weights
from .model import IMAGE, Prompt, Read, Write, Written
from .prompts import Prompts, leave_room
from .reading import readings
from .render import Renderer
from .settings import GPU_ROWS, Loading

DEFAULT_MAX_TOKENS = 2048  # VISTA §4.1
PIXEL_BYTES = 2**30
"""Most tensors of images that are kept, a portion's at most."""
ROWS = 2048
"""Rows a batch decodes together on a CPU."""
PROMPTS = 4096
"""Prompts kept, the least lately used leave first: some megabytes."""

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
logging.getLogger("transformers").setLevel(logging.ERROR)
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # peft imports it, and it tells all of a kernel it has not
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # peft 0.21 asks for it


@dataclass(frozen=True)
class Row:
    """A prompt and the response ids after it, as one sequence."""

    prompt: Prompt
    response: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt.ids) + len(self.response)


class HF:
    """A model folder with its processor, weights and family; answers `write` and `read`."""

    def __init__(
        self,
        folder: Path,
        name: str,
        loading: Loading | None = None,
        *,
        adapters: Sequence[Path] = (),
        beside: bool = False,
        dtype: str | None = None,
        device: str | None = None,
    ) -> None:
        given = {key: value for key, value in (("dtype", dtype), ("device", device)) if value}
        self.loading = replace(loading or Loading(), **given)
        self.folder = folder
        self.name = name
        self.adapters = tuple(adapters)
        """Folders of what is added to the weights, in this order."""
        self.speech = speech(folder, self.adapters)
        """Folder of the tokenizer and the chat template."""
        self.parts = parts(folder, self.loading, self.speech)
        seeing = sees(self.parts.config)
        self.family = families.find(self.parts, seeing)
        within = self.adapters[:-1] if beside else self.adapters
        self.net: Any = weights(folder, self.parts.config, self.loading, within)
        self.beside: Any = adapted(self.net, self.adapters[-1]) if beside else None
        """peft's view of the network where its last adapter is not merged in."""
        self.device: torch.device = self.net.get_input_embeddings().weight.device
        stop = self.net.generation_config.eos_token_id
        stop = self.parts.tokenizer.eos_token_id if stop is None else stop
        if stop is None:
            raise ModelError(f"{name} names no end-of-turn token; set eos_token_id in its generation_config.json")
        self.render = Renderer(
            self.parts.tokenizer,
            self.family,
            chat_template(folder, self.speech, self.parts.tokenizer),
            [stop] if isinstance(stop, int) else stop,
            self.loading.thinking,
        )
        self._banned = torch.tensor(self.render.banned, dtype=torch.long, device=self.device)
        self.recommended: dict[str, Any] = identity.settings(folder)
        self._prompts: dict[str, Prompt] = {}
        self._pixels: dict[tuple[str, ...], dict[str, torch.Tensor]] = {}
        self.read_prompts = Prompts(self)
        self._try_head()

    @torch.inference_mode()
    def _try_head(self) -> None:
        """Raise ModelError where the library makes other logits of the same hidden states, such as scaled ones."""
        if not hasattr(self.net, "model"):
            raise ModelError(f"{self.name}: {type(self.net).__name__} has no part called `model`, which is run here")
        ids = torch.zeros((1, 1), dtype=torch.long, device=self.device)
        ours = self.head(self.net.model(input_ids=ids).last_hidden_state)
        theirs = self.net(input_ids=ids).logits.float().to(ours.device)
        kept = ours.isfinite()
        if not torch.allclose(ours[kept], theirs[kept], atol=0.05, rtol=0.05):
            raise ModelError(
                f"{self.name}: {type(self.net).__name__} changes its logits after the output layer in a way that is "
                "not known here, so log-probs would be wrong; take another model"
            )

    def again(self, dtype: str, folder: Path | None = None) -> HF:
        """Load the same weights anew on one device, or those of a folder trained from them."""
        loading = replace(self.loading, device_map="", device=str(self.device))
        if folder is not None:
            return HF(folder, str(folder), loading, dtype=dtype)
        return HF(self.folder, self.name, loading, adapters=self.adapters, dtype=dtype)

    @property
    def origin(self) -> tuple[str, str | None]:
        """Name and revision by which what is trained beside these weights finds them again."""
        if self.adapters:
            return str(self.adapters[-1].resolve()), None
        commit = identity.commit(self.folder)
        return (str(self.folder.resolve()), None) if commit is None else (self.name, commit)

    @property
    def identity(self) -> str:
        """Hash of weights, tokenizer, processor settings and number format."""
        return self._identity

    @cached_property
    def _identity(self) -> str:
        return identity.of(self)

    def describe(self) -> dict[str, Any]:
        """Return what a manifest says of it: name, revision, how it was loaded, processor and generation settings."""
        return identity.described(self)

    @property
    def neural(self) -> bool:
        """True: its numbers come from a network."""
        return True

    @property
    def exact(self) -> bool:
        """Whether it computes in single precision or better; half precision rounds at the third digit.

        With weights of fewer bits the kernels differ by the shape of a batch, whatever their number format.
        """
        return self.net.dtype in (torch.float32, torch.float64) and not self.rounded

    @property
    def rounded(self) -> bool:
        """Whether weights have fewer bits than they are computed with: only adapters beside them can be trained."""
        return bool(getattr(self.net, "is_quantized", False))

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end a turn, as the generation configuration names them."""
        return self.render.stop_ids

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return int(self.decoder.config.num_hidden_layers)

    @property
    def context(self) -> int:
        """Most tokens the position encoding was made for."""
        return int(self.decoder.config.max_position_embeddings)

    @property
    def max_tokens(self) -> int:
        """New tokens an attempt may have: what the model's folder recommends, else the paper's 2,048."""
        return int(self.recommended.get("max_tokens", DEFAULT_MAX_TOKENS))

    @property
    def packs(self) -> bool:
        """Whether several responses may stand behind one prompt: where the model takes a mask of ours as it is.

        Eager attention adds a mask to its scores, so that one of true and false would hide nothing.
        """
        config = self.decoder.config
        windows = "sliding_attention" in (getattr(config, "layer_types", None) or ())
        return self.family.packs and not windows and config._attn_implementation == "sdpa"

    @cached_property
    @torch.inference_mode()
    def branches(self) -> bool:
        """Whether rows go on from one copy of their prompt: attention of all layers is ours to give (CPU measured)."""
        plain = self.packs and self.device.type == "cpu"
        return plain and dispatches(self.net.model, self.decoder.config, self.layers)

    @property
    def decoder(self) -> Any:
        """The language model without its head."""
        return self.net.get_decoder()

    @cached_property
    def frozen(self) -> tuple[str, ...]:
        """Name prefixes of what training leaves alone: vision tower and projector, all but language model and head."""
        path = next(name for name, module in self.net.named_modules() if module is self.decoder).split(".")
        head = self.net.get_output_embeddings()
        found: list[str] = []
        at: Any = self.net
        for depth, step in enumerate(path):
            lead = ".".join([*path[:depth], ""])
            beside = [name for name, child in at.named_children() if name != step and child is not head]
            found += [f"{lead}{name}." for name in beside]
            found += [lead + name for name, _ in at.named_parameters(recurse=False)]
            at = getattr(at, step)
        return tuple(found)

    def prompt(self, task: Task) -> Prompt:
        """Return the ids and spans before the response; the latest are kept, since a round asks for them again."""
        known = self._prompts.pop(task.fingerprint, None) or self.render.prompt(task)
        self._prompts[task.fingerprint] = known
        if len(self._prompts) > PROMPTS:
            del self._prompts[next(iter(self._prompts))]
        return known

    def part(self, text: str) -> Part:
        """Return another author's response as ids, its end of turn included."""
        return self.render.part(text)

    def write(self, requests: Sequence[Write]) -> Iterator[Written]:
        """Yield attempts as they finish; see `ordered` for the order in which prompts are read."""
        for some in alike([replace(r.sampling, max_tokens=1) for r in requests]):
            order = [some[n] for n in ordered([requests[i] for i in some])]
            rows = self._rows([requests[i] for i in order])
            left = {i: list(requests[i].attempts) for i in order}
            while left:
                rows = min(rows, sum(map(len, left.values())))
                tight = False
                owner, split = _split([(i, replace(requests[i], attempts=tuple(a))) for i, a in left.items()], rows)
                try:
                    for at, attempt, part, finish, texts in decode(self, split, rows):
                        i = owner[at]
                        left[i].remove(attempt)
                        if not left[i]:
                            del left[i]
                        yield Written(i, attempt, part, finish, texts)
                except (RuntimeError, MemoryError) as error:
                    if not memory.ran_out(error):
                        raise
                    if rows == 1:
                        raise ModelError(f"the device has no memory for one attempt; {memory.ADVICE}") from error
                    tight = True
                if tight:  # only now the batch is gone, which the error held
                    rows //= 2
                    self.forget_memory()
                    # Draws are addressed, so the attempts under way come out the same when they begin again.
                    again = sum(map(len, left.values()))
                    say(f"  the device ran out of memory; {again} attempts go on, {rows} at a time")

    def read(self, requests: Sequence[Read]) -> Iterator[tuple[int, Reading]]:
        """Yield readings; a prompt is read once for its responses where the family packs, like lengths share a pass."""
        yield from readings(self, requests)

    def inputs(self, rows: Sequence[Row], *, left: bool = False) -> dict[str, torch.Tensor]:
        """Return padded ids, mask and positions of (rows, length), with the images of the rows in order."""
        side = "left" if left else "right"
        ids = [torch.tensor(r.prompt.ids + r.response) for r in rows]
        mask = pad_sequence([torch.ones_like(i) for i in ids], batch_first=True, padding_side=side)
        ids = pad_sequence(ids, batch_first=True, padding_side=side)
        made = {"input_ids": ids, "attention_mask": mask, "position_ids": self.positions(rows, mask, side)}
        made.update(self.family.extras(ids))
        made.update(self.pixels([r.prompt for r in rows]))
        return {name: self._here(tensor) for name, tensor in made.items()}

    def positions(self, rows: Sequence[Row], mask: torch.Tensor, side: str) -> torch.Tensor:
        """Return (rows, length) positions, or (axes, rows, length) where the family has more than one axis.

        So whoever takes some of them counts dimensions from the end.
        """
        # Some families count positions from the left edge unless told otherwise.
        plain = (mask.cumsum(-1) - 1).clamp(min=0)
        own = [p for r in rows if (p := self.family.positions(r.prompt)) is not None]
        if not own:
            return plain
        whole = [continued(p, [len(r.response)]).T for p, r in zip(own, rows, strict=True)]
        return pad_sequence(whole, batch_first=True, padding_side=side).permute(2, 0, 1)

    def pixels(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """Return the tensors of the prompts' images in order; each prompt's are made once while they are in use.

        Raises ModelError where a prompt has another number of placeholders than its images have features.
        """
        shown = {tuple(i.sha256 for i in p.task.images): p for p in prompts if p.task.images}
        used = {key: self._pixels.pop(key, None) or self._processed(p) for key, p in shown.items()}
        self._pixels.update(used)
        leave_room(self._pixels, PIXEL_BYTES, lambda made: sum(getattr(t, "nbytes", 0) for t in made.values()))
        parts = [used[tuple(i.sha256 for i in p.task.images)] for p in prompts if p.task.images]
        return self.family.join(parts) if parts else {}

    def _processed(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        made = self.family.inputs(prompt.task.images)
        features, tokens = self.family.features(made), prompt.spans.count(IMAGE)
        if features != tokens:
            raise ModelError(
                f"task {prompt.task.id!r} has {tokens} image tokens in its prompt and {features} image features; "
                f"the image processor in {self.folder} does not fit the model's configuration"
            )
        return made

    def _here(self, tensor: torch.Tensor) -> torch.Tensor:
        """Put a tensor on the device, pixels in the number format of the weights."""
        return tensor.to(self.device, self.net.dtype if tensor.is_floating_point() else None)

    @property
    def width(self) -> int:
        """Width of the decoder's hidden states."""
        return int(self.decoder.config.hidden_size)

    def packed(self, lines: Sequence[Line], *, read: bool = False) -> dict[str, torch.Tensor]:
        """Return the inputs of a pass over lines, right-padded; more than one response a line only where `packs`.

        With `read` the prompts stand in the cache of the pass.
        """
        if not self.packs:
            return self.inputs([Row(line.prompt, *line.responses) for line in lines])
        made = packed(lines, [self.family.positions(line.prompt) for line in lines], read=read)
        made.update(self.family.extras(made["input_ids"]))
        if not read:
            made.update(self.pixels([line.prompt for line in lines]))
        return {name: self._here(tensor) for name, tensor in made.items()}

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return float32 logits of (…, vocabulary) with image placeholders ruled out."""
        logits = self.net.get_output_embeddings()(hidden).float().to(self.device)
        cap = getattr(self.decoder.config, "final_logit_softcapping", None)
        if cap:
            logits = cap * torch.tanh(logits / cap)
        return logits.index_fill_(-1, self._banned, -torch.inf)

    def _rows(self, requests: Sequence[Write]) -> int:
        """Return how many attempts are written together: as many as the cache has room for, were all to be longest."""
        longest = max(standing(r) + r.sampling.max_tokens for r in requests)
        most = ROWS if self.device.type == "cpu" else GPU_ROWS
        return max(1, min(most, self._token_budget() // longest))

    def forget_memory(self) -> None:
        """Give up what is kept of prompts, and what the device holds unused."""
        self.read_prompts.forget()
        memory.give_back(self.device)

    def _token_budget(self) -> int:
        config = self.decoder.config
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        per_token = 2 * config.num_hidden_layers * heads * width * self.net.dtype.itemsize
        return memory.for_cache(self.device) // per_token


def _split(requests: Sequence[tuple[int, Write]], most: int) -> tuple[list[int], list[Write]]:
    """Cut requests into ones of at most `most` attempts; the first list says whose each is."""
    parts = [
        (i, replace(r, attempts=r.attempts[start : start + most]))
        for i, r in requests
        for start in range(0, len(r.attempts), most)
    ]
    return [i for i, _ in parts], [r for _, r in parts]
