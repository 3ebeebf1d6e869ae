"""One trainer for every method: `transformers.Trainer` with the examples' own loss.

Checkpoints, resuming, accumulation, precision, schedules and what is logged are the library's.
"""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback

from ..errors import ModelError, StoreError, TrainError, Unsupported
from ..examples import Examples, Reinforce
from ..ledger.files import force
from ..models.hf import HF
from ..models.loading import weights, write_whole
from ..models.model import Model
from ..progress import say
from ..trackers import Tracking
from ..types import digest
from . import Train, losses, objectives, record
from .batch import Batch, Reference, Unit, collate, rows_of, units
from .callbacks import Steps, Told
from .layout import passes
from .record import DONE

DISK = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOTDIR, errno.EEXIST, errno.EISDIR),  # a file where a folder is needed, or the other way round
)


def train(
    start: Model,
    examples: Examples,
    settings: Train,
    folder: Path,
    reference: Callable[[], Reference],
    seed: int,
    tracking: Tracking | None = None,
) -> HF:
    """Train a copy of `start` on examples and return it, loaded from `folder`.

    `reference` is called where a loss needs log-probs of the starting model; `tracking` is told of losses.
    Where `folder` already holds the result of the same training it is loaded; an interrupted one is
    gone on with from its last checkpoint. Raises ModelError where training changed nothing, and
    Unsupported for a model that is not one of transformers.
    """
    if not isinstance(start, HF):
        raise Unsupported(f"{start.name} has no weights here to train; train a model folder or a hub id")
    settings = resolved(settings, start)
    require_trainable(start, settings)
    recipe = {
        "start": start.identity,
        "examples": digest([repr_of(e) for e in examples]),
        "count": len(examples),
        "settings": asdict(settings),
        "seed": seed,
    }
    work = folder.with_name(f"{folder.name}.work-{digest(recipe)[:8]}")
    for stale in folder.parent.glob(f"{folder.name}.work-*"):
        if stale != work:
            shutil.rmtree(stale)
    if not _is_done(folder, recipe):
        known = reference() if needs_reference(examples, settings) else {}
        with tracking.line(folder.name) if tracking else nullcontext() as send, disk_failures(work):
            found = _train(start, units(examples), settings, work, known, seed, [Told(send)] if send else [])
            record.write(work / "model", {**recipe, **found})
            shutil.rmtree(folder, ignore_errors=True)
            (work / "model").rename(folder)
            force(folder.parent)
    shutil.rmtree(work, ignore_errors=True)
    trained = start.again(str(start.net.dtype).removeprefix("torch."), folder)
    pairs = zip(start.net.parameters(), trained.net.parameters(), strict=True)
    if all(torch.equal(before, after) for before, after in pairs):
        raise ModelError(
            f"training on {len(examples)} examples left every weight of {start.name} as it was; raise lr or epochs"
        )
    return trained


def require_trainable(start: HF, settings: Train) -> None:
    """Raise Unsupported where weights of fewer bits would have to change, or there are none to add adapters to.

    Raises UserError for weights on several devices, or on another than the library trains on.
    """
    start.loading.require_trainable()
    if start.rounded and not settings.lora:
        raise Unsupported(
            f"{start.name} is loaded with rounded weights, which cannot be trained; train adapters beside them with "
            "--train.lora RANK, or load it without --loading.quantize"
        )
    if start.rounded and not start.loading.quantize:
        raise Unsupported(
            f"{start.name} lies in {start.folder} with rounded weights, to which trained adapters cannot be added "
            "exactly; give the model that it was rounded from, with --loading.quantize 4bit"
        )


@dataclass(frozen=True)
class Recipe(Train):
    """Settings with nothing left open; the defaults stand where neither the user nor the model says anything."""

    lr: float = 1e-5
    epochs: int = 3
    batch: int = 16


def needs_reference(examples: Examples, settings: Train) -> bool:
    """Whether the losses of these examples use log-probs of the starting model."""
    reinforced = [e for e in examples if isinstance(e, Reinforce)]
    unknown = any(p.logprobs is None for e in reinforced for p in e.rollout.parts)
    return unknown or (bool(reinforced) and settings.kl != 0) or any(e.needs_reference for e in examples)


def resolved(settings: Train, model: HF) -> Recipe:
    """Fill in what the settings leave to the model's recommendation."""
    recommended: dict[str, Any] = model.recommended.get("train", {})
    given = {name: value for name, value in asdict(settings).items() if value is not None}
    return Recipe(**{**recommended, **given})


def repr_of(example: Any) -> list[object]:
    """Return what identifies an example for the recipe of a training."""
    values = vars(example)
    return [type(example).__name__, *(v.key if hasattr(v, "key") else v for v in values.values())]


def _is_done(folder: Path, recipe: dict[str, Any]) -> bool:
    """Whether a folder holds the result of this training as it was written; says where it is no more that."""
    if not (folder / DONE).exists():
        return False
    try:
        found = record.read(folder)
    except StoreError as error:
        say(f"  {error}")
        return False
    if any(found.get(key) != value for key, value in json.loads(json.dumps(recipe)).items()):
        return False
    wrong = list(record.changed(folder, found))
    for problem in wrong:
        say(f"  {folder}: {problem}")
    return not wrong


@contextmanager
def disk_failures(work: Path) -> Generator[None]:
    """Turn what the libraries raise when the disk is full or broken into one line, and remove what is half-written."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if not is_disk(error):
            raise
        last_checkpoint(work)
        shutil.rmtree(work / "model", ignore_errors=True)
        raise StoreError(
            f"cannot write the training in {work} ({str(error).splitlines()[0]}); free some space, a checkpoint "
            "takes three to four times the weights, and give the same command again: it goes on from the last whole "
            "checkpoint, and what was recorded before is safe"
        ) from error


def is_disk(error: Exception) -> bool:
    """Whether an error is one of writing to a disk; torch and safetensors say so in words only."""
    if isinstance(error, OSError):
        return error.errno in DISK
    said = ("No space left", "os error", "unexpected pos", "PytorchStreamWriter", "iostream error")
    return any(words in str(error) for words in said)


def _train(
    start: HF,
    data: list[Unit],
    settings: Recipe,
    work: Path,
    reference: Reference,
    seed: int,
    callbacks: Sequence[TrainerCallback] = (),
) -> dict[str, Any]:
    """Run the training in `work` and leave the merged model in `work/model`; return losses, time and tokens."""
    gpu = start.device.type != "cpu"
    set_seed(seed)  # before the adapters draw their first weights
    model = start.again("bfloat16" if gpu and settings.lora else "float32")
    net = prepare(model, settings)
    trainer = ExampleTrainer(
        model=net,
        args=arguments(settings, len(data), work, gpu, seed),
        train_dataset=cast(Any, data),  # a list has all that a map-style dataset needs
        data_collator=lambda some: {"batch": lay_out(model, some, settings, reference)},
        callbacks=[Steps(), *callbacks],
    )
    trainer.settings, trainer.subject = settings, model
    trainer.remove_callback(PrinterCallback)
    began = time.monotonic()
    trainer.train(resume_from_checkpoint=last_checkpoint(work))
    seconds = time.monotonic() - began
    shutil.rmtree(work / "model", ignore_errors=True)
    save(net, start, work / "model")
    return {
        "curve": trainer.state.log_history,
        "seconds": seconds,
        "tokens": trainer.tokens,
        "padding": trainer.padding,
    }


def arguments(settings: Recipe, units: int, work: Path, gpu: bool, seed: int) -> TrainingArguments:
    """Say our settings in the library's words."""
    steps = -(-units // settings.batch) * settings.epochs
    made = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,  # how a step lies in forward passes is `layout`'s decision
        learning_rate=settings.lr,
        lr_scheduler_type="cosine",
        warmup_steps=int(settings.warmup * steps),  # rounded down: the library rounds up, and one step has rate 0
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=gpu,
        use_cpu=not gpu,
        save_strategy="steps" if settings.checkpoints else "no",
        save_steps=max(1, steps // max(1, settings.checkpoints)),
        save_total_limit=1,
        logging_steps=1,
        disable_tqdm=True,
        remove_unused_columns=False,
        report_to="none",  # its callbacks end a training when a tracker fails, and keep files in `work`, which goes
        dataloader_pin_memory=False,
        seed=seed,
    )
    # One process trains on one device; with several the library would wrap the net in DataParallel.
    made._n_gpu = min(made.n_gpu, 1)
    return made


def prepare(model: HF, settings: Train) -> Any:
    """Freeze what the family freezes, switch the rest on or put adapters beside it; return the module to train."""
    frozen = model.frozen
    if model.rounded:
        from peft import prepare_model_for_kbit_training

        # Freezes all, and computes norms and embeddings in single precision (arXiv 2305.14314 §3).
        prepare_model_for_kbit_training(model.net, use_gradient_checkpointing=False)
    else:
        for name, parameter in model.net.named_parameters():
            parameter.requires_grad_(not name.startswith(frozen))
    model.net.train()
    if settings.gradient_checkpointing:
        renamed = getattr(model.net, "activation_checkpointing_enable", None)  # the library's name from 5.23 on
        (renamed or model.net.gradient_checkpointing_enable)()
    if not settings.lora:
        return model.net
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=settings.lora, lora_alpha=settings.lora_alpha, target_modules=adaptable(model))
    return get_peft_model(model.net, config)


def adaptable(model: HF) -> list[str]:
    """Return the names of what gets adapters: all linear layers of the language model but its head."""
    return [
        name
        for name, module in model.net.named_modules()
        if isinstance(module, torch.nn.Linear)
        and not f"{name}.".startswith(model.frozen)
        and module is not model.net.get_output_embeddings()
    ]


def save(net: Any, start: HF, folder: Path) -> None:
    """Write the trained model as a whole folder: merged weights, processor, settings; adapters beside it."""
    if hasattr(net, "merge_and_unload"):
        config = net.peft_config["default"]
        config.base_model_name_or_path, config.revision = start.origin
        net.save_pretrained(folder / "adapter")
        # What was rounded stays so: the adapters are added to the weights as they lie in the folder.
        net = whole(start, folder / "adapter") if start.rounded else net.merge_and_unload()
    write_whole(net.to(start.net.dtype), start, folder)


def whole(start: HF, adapter: Path) -> Any:
    """Load a model's own weights, not rounded, on the CPU, which has room for them, and merge an adapter in."""
    dtype: Any = str(start.net.dtype).removeprefix("torch.")
    loading = replace(start.loading, quantize="", device="cpu", device_map="", dtype=dtype)
    return weights(start.folder, start.parts.config, loading, [adapter])


def last_checkpoint(work: Path) -> str | None:
    """Return the newest checkpoint that was written to its end; a half-written one is removed."""
    found = sorted(work.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]), reverse=True)
    for folder in found:
        # The trainer's state is the last file of a checkpoint; a kill can leave it out or cut it.
        try:
            json.loads((folder / "trainer_state.json").read_text())
        except (OSError, ValueError):
            shutil.rmtree(folder)
        else:
            return str(folder)
    return None


def lay_out(model: HF, units: Sequence[Unit], settings: Train, reference: Reference) -> list[Batch]:
    """Return the forward passes of a step's units."""
    rows = rows_of(model, units)
    parts = passes(units, rows, packs=model.packs, most=settings.micro_batch, width=model.width)
    return [collate(model, bundles, reference) for bundles in parts]


class ExampleTrainer(Trainer):
    """The library's trainer with the loss of the examples; a batch of it is the list of a step's passes."""

    settings: Train
    subject: HF
    tokens = 0
    """Read in training so far, prompts included; those before an interruption are not counted."""
    padding = 0
    """Positions of padding beside them."""

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Go forward and back through each pass of a step; return the step's loss, the mean over its units."""
        model.train()
        step: list[Batch] = inputs["batch"]
        total = sum(len(batch.units) for batch in step)
        found: list[torch.Tensor] = []
        for batch in step:
            with self.accelerator.autocast():
                loss = self._loss(batch) * len(batch.units) / total
            self.accelerator.backward(loss)
            found.append(loss.detach())
        return torch.stack(found).sum()

    def _loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean over a pass's units of their examples' losses."""
        self.tokens += batch.tokens
        self.padding += batch.inputs["input_ids"].numel() - batch.tokens
        hidden = self.subject.net.model(**batch.inputs, use_cache=False).last_hidden_state
        # Logits only where the next token carries loss.
        own = losses.head_logprobs(
            self.subject.head, hidden.flatten(0, 1)[batch.place[batch.mask]], batch.ids[batch.mask]
        )
        batch.logprobs = own.new_zeros(batch.mask.shape).masked_scatter(batch.mask, own)
        loss = objectives.loss(batch, self.settings)
        if not torch.isfinite(loss):
            attempts = [f"{r.key[:12]} of task {r.task.id!r}" for unit in batch.units for r in unit.rollouts]
            raise TrainError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}, in the batch of attempts "
                f"{', '.join(attempts)}; lower the learning rate, or look at these with: sharpen show DIR --task ID"
            )
        return loss

    def floating_point_ops(self, inputs: Any) -> int:
        """Not estimated: the library's formula wants input names that a batch of examples does not have."""
        return 0

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Write checkpoints under the module's own weight names.

        By default the library renames them to those of the original release and, resuming, loads what
        matches: for some families nothing, without an error (transformers 5.23).
        """
        if isinstance(self.model, PreTrainedModel):
            self.model.save_pretrained(
                output_dir or str(self.args.output_dir),
                state_dict=state_dict,
                is_main_process=self.args.should_save,
                save_original_format=False,
            )
        else:
            super()._save(output_dir, state_dict)
