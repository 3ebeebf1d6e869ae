"""ReST-EM with prefix resampling: continuations of failed attempts count as attempts, and the cap counts them."""

from __future__ import annotations

from support import make_reading, make_task

from sharpen.methods.rest_em_prefix import RestEmPrefix
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.store import Store

TEXTS = {"hard": ["one is <answer>8</answer>"] * 2, "easy": ["<answer>7</answer>"] * 2}


def collect(store: Store, **settings: int) -> list[tuple[str, str, int]]:
    def continued(given: str, attempt: int) -> str:
        return f"<answer>{7 if attempt == 0 else 8}</answer>"

    model = Scripted(
        lambda a: continued(a.given, a.attempt) if a.given else TEXTS[a.task.id][a.attempt],
        lambda task, text: make_reading(text, [0] * 4 + [9], best="F"),
    )
    store.begin("collect", 1)
    run = Run({"policy": model}, store, round=1)
    examples = RestEmPrefix(samples=2, **settings).collect(run, [make_task(name) for name in TEXTS])
    return [(e.rollout.task.id, e.rollout.text, e.rollout.given_tokens) for e in examples]


def test_the_failed_are_resumed_before_their_critical_token_and_the_correct_kept(store: Store) -> None:
    """Two failed attempts, the first of three continuations of each is right; the cut keeps `one ` and puts F."""
    assert collect(store) == [("hard", "one F<answer>7</answer>", 5)] * 2 + [("easy", "<answer>7</answer>", 0)] * 2
    assert store.tally(1, 2, 4).resumed == 6


def test_the_cap_counts_continuations_and_none_are_made_for_zero(store: Store) -> None:
    assert [task for task, _, _ in collect(store, most=1)] == ["hard", "easy"]
    assert store.events("collect", 1) == {("dropped", "more than 1 correct attempts at one question"): 2}
    assert [task for task, _, _ in collect(store, resamples=0)] == ["easy", "easy"]
