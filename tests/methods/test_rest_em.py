"""ReST-EM keeps what is correct, and of easy questions no more than the cap."""

from __future__ import annotations

from support import make_task

from sharpen.methods.rest_em import RestEm
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.store import Store

TEXTS = {
    "easy": [f"{i}: <answer>7</answer>" for i in range(6)],
    "hard": ["<answer>1</answer>"] * 5 + ["<answer>7</answer>"],
    "never": ["<answer>1</answer>"] * 6,
}


def collect(store: Store, most: int, seed: int = 0) -> list[tuple[str, str]]:
    run = Run({"policy": Scripted.replay(TEXTS)}, store, seed=seed, round=1)
    store.begin("collect", 1)
    examples = RestEm(samples=6, most=most).collect(run, [make_task(name) for name in TEXTS])
    return [(e.rollout.task.id, e.rollout.text) for e in examples]


def test_only_correct_attempts_are_kept(store: Store) -> None:
    assert collect(store, 10) == [("easy", text) for text in TEXTS["easy"]] + [("hard", TEXTS["hard"][5])]


def test_the_cap_keeps_a_seeded_draw_and_counts_the_rest(store: Store) -> None:
    kept = collect(store, 2)
    assert [task for task, _ in kept] == ["easy", "easy", "hard"]
    assert collect(store, 2) == kept
    assert any(collect(store, 2, seed) != kept for seed in range(1, 6))
    assert store.events("collect", 1) == {("dropped", "more than 2 correct attempts at one question"): 4}
