"""What the paper has: its settings, its sets and its numbers (arXiv 2605.11931)."""

from __future__ import annotations

from dataclasses import dataclass

from .cost import Architecture

ROUNDS, SAMPLES, RESAMPLES, EPOCHS, LIMIT, SIDE = 3, 10, 3, 3, 2048, 512
SETTINGS = (
    *("--rounds", str(ROUNDS), "--samples", str(SAMPLES), "--temperature", "1.0", "--max-tokens", str(LIMIT)),
    *("--resamples", str(RESAMPLES), "--top", "5", "--threshold", "-0.5"),
    *("--train.epochs", str(EPOCHS), "--train.batch", "16", "--train.lr", "1e-5"),
    *("--loading.max-side", str(SIDE), "--eval-samples", "1", "--seed", "0"),
)
"""K, T, J, k, tau and epochs of section 4.1; batch and rate are those of VISTA-DPO, left open for SFT; seed ours."""
OURS = ("--prompt", "think-answer", "--train.gradient-checkpointing")
"""The wording of the prompt is ours; checkpoints change the memory and not the result."""

TEXT = 150  # tokens of a prompt beside its picture: assumed
ATTEMPT = 300  # mean tokens of an attempt: assumed


@dataclass(frozen=True)
class Set:
    """One of the paper's sets; `train` and `test` count the rows of its splits, for SLAKE the English ones."""

    name: str
    title: str
    train: int
    test: int
    yes_no: int | None
    """Test questions that the paper's percentages are whole counts of, where those are not all: see the page."""
    files: str
    """Ending of its files; where one is given, `--data` must name the folder."""
    on_hub: bool = True


SETS = {
    "slake": Set("slake", "SLAKE", 4919, 1061, 355, "json", on_hub=False),
    "vqarad": Set("vqarad", "VQA-Rad", 1793, 451, 251, "parquet"),
    "geometry3k": Set("geometry3k", "Geometry3K", 2101, 601, None, "parquet"),
}


@dataclass(frozen=True)
class Subject:
    """A model of the paper."""

    name: str
    """Of its file here."""
    title: str
    hub: str
    architecture: Architecture
    image: int
    """Tokens of a square picture of 512 pixels."""
    seed: dict[str, float]
    """The paper's accuracy of SFT-Seed in percent, by set; empty where none of its figures is known to us."""
    vista: dict[str, float]
    """The same of VISTA-SFT after round 3."""

    def right(self, name: str) -> float:
        """Return the share of attempts taken to be right: the paper's SFT-Seed, of its 3B model where there is none."""
        return (self.seed or SEED_3B)[name] / 100


SEED_3B = {"slake": 67.04, "vqarad": 64.14, "geometry3k": 25.46}
