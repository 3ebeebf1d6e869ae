"""An adapter and its base model as one folder of whole weights, tried before it is kept.

What is written is loaded again from its files and asked what the adapter beside its base was asked before: it must
stop at the same tokens and give the same greedy answers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .canary import LEAST_AGREEING, TIE
from .errors import ModelError, StoreError, UserError
from .models import found, load
from .models.model import Model, Read, Sampling, Write, Written
from .models.settings import Loading
from .progress import say
from .types import Reading, Task
from .views import blind

ASKED = 4  # questions of those given: ours


@dataclass(frozen=True)
class Said:
    """Greedy answers to some questions, each with a reading of it by the model that gave it."""

    written: list[Written]
    readings: list[Reading]


@dataclass(frozen=True)
class Merged:
    """What was compared: the merged model's answers with those of the adapter beside its base."""

    dtype: str
    asked: int
    tokens: int
    """Greedy tokens of the adapter beside its base, ends of turn included."""
    likeliest: int
    """How many of them the merged model finds the likeliest, too."""
    change: float
    """Largest change of one's log-prob, in nats."""
    ended: int
    """Answers of the merged model that end by themselves."""
    ended_beside: int

    def alike(self, exact: bool) -> bool:
        """Whether both say the same: to the last digits in single precision, where half of it rounds in most tokens."""
        if exact:
            return self.tokens > 0 and self.change <= TIE and self.ended == self.ended_beside
        stops = self.ended > 0 or self.ended_beside == 0
        return self.tokens > 0 and self.likeliest >= LEAST_AGREEING * self.tokens and stops

    def told(self) -> str:
        """Say what was compared."""
        return (
            f"{self.likeliest} of {self.tokens} greedy tokens are the likeliest of both, log-probs differ by "
            f"{self.change:.2g} nats at most, and of {self.asked} answers {self.ended} end by themselves, before "
            f"{self.ended_beside}"
        )


def merge(name: str, out: Path, tasks: Sequence[Task], loading: Loading, max_tokens: int) -> Merged:
    """Write the whole model of an adapter to a new folder, which appears only where it answers alike.

    Raises UserError where the folder is there or the name is no adapter's, and ModelError where the answers differ.
    """
    if out.exists():
        raise UserError(f"{out} is there already; give another --out")
    folder, adapters = found(name, loading)
    if not adapters:
        raise UserError(f"{name} is a whole model already; give the folder or the hub id of an adapter")
    waiting = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        waiting.mkdir(parents=True)
        done = merged_in(waiting, name, folder, adapters, tasks[:ASKED], loading, max_tokens)
        waiting.rename(out)
    except UserError:
        raise
    except Exception as error:
        from .train.trainer import is_disk

        if not is_disk(error):
            raise
        raise StoreError(f"cannot write {out} ({error}); free some space or give another --out") from error
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    return done


def merged_in(
    out: Path, name: str, folder: Path, adapters: Sequence[Path], tasks: Sequence[Task], how: Loading, max_tokens: int
) -> Merged:
    """Ask the adapter beside its base, write the whole model, and ask that."""
    from .models.hf import HF
    from .models.loading import stored, write_whole

    dtype = stored(folder, how) if how.dtype == "auto" else how.dtype
    base = HF(folder, name, how, adapters=adapters, beside=True, dtype=dtype)
    asked = [t if base.parts.images else blind(t) for t in tasks]
    written = answered(base, asked, max_tokens)
    before = Said(written, read(base, asked, written))
    prompts, stops = [base.prompt(t).ids for t in asked], base.stop_ids
    say(f"  {name}: {len(asked)} questions answered with the adapter beside its base; writing whole weights")
    write_whole(base.beside.merge_and_unload(), base, out)
    whole = load(str(out), replace(how, revision=""), dtype=dtype)
    if whole.stop_ids != stops or [whole.prompt(t).ids for t in asked] != prompts:
        raise ModelError(f"{name}, merged, is asked otherwise or stops at other tokens than before; nothing was kept")
    done = compared(before, whole, asked, max_tokens, dtype)
    if not done.alike(whole.exact):
        raise ModelError(
            f"{name}, merged, does not answer as the adapter beside its base does: {done.told()}; nothing was kept"
        )
    return done


def compared(before: Said, whole: Model, asked: Sequence[Task], max_tokens: int, dtype: str) -> Merged:
    """Ask the merged model the same, and let it read the answers from before."""
    after = answered(whole, asked, max_tokens)
    readings = list(zip(before.readings, read(whole, asked, before.written), strict=True))
    changes = [abs(a - b) for one, other in readings for a, b in zip(one.logprobs, other.logprobs, strict=True)]
    likeliest = sum(rank == 0 for _, other in readings for rank in other.rank)
    ended = (sum(w.finish == "stop" for w in said) for said in (after, before.written))
    return Merged(dtype, len(asked), len(changes), likeliest, max(changes, default=0.0), *ended)


def answered(model: Model, tasks: Sequence[Task], max_tokens: int) -> list[Written]:
    """Return a model's greedy answers, in the order of the tasks."""
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
    written = {w.request: w for w in model.write([Write(model.prompt(t), sampling, 0, (0,)) for t in tasks])}
    return [written[i] for i in range(len(tasks))]


def read(model: Model, tasks: Sequence[Task], written: Sequence[Written]) -> list[Reading]:
    """Return how likely a model finds answers, in their order."""
    pairs = zip(tasks, written, strict=True)
    found = dict(model.read([Read(model.prompt(t), w.part.ids) for t, w in pairs]))
    return [found[i] for i in range(len(written))]
