"""The mechanism of VISTA on a scripted model: where the cut falls, what is resumed, what is dropped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import make_reading, make_task

from sharpen.errors import UserError
from sharpen.methods.vista import Vista
from sharpen.models.scripted import STOP, Asked, Scripted
from sharpen.run import Run
from sharpen.scorers.attention import ImageShare
from sharpen.scorers.correct import correct
from sharpen.store import Store
from sharpen.types import Reading, Task
from sharpen.verbs import zscore
from sharpen.views import question_first

RIGHT, WRONG = "so <answer>7</answer>", "three and four is <answer>8</answer>"
LOOKS, AWAY = (0.1, 0.8, 0.1), (0.4, 0.2, 0.4)


def run_of(store: Store, rule: Callable[[Asked], str], measure: Callable[[Task, str], Reading]) -> Run:
    return Run({"policy": Scripted(rule, measure)}, store, seed=3, round=1)


def test_cut_falls_on_the_first_token_outside_the_top_k_and_the_likeliest_takes_its_place(store: Store) -> None:
    planted = WRONG.index("four")
    seen: list[Asked] = []

    def rule(asked: Asked) -> str:
        seen.append(asked)
        return "<answer>7</answer>" if asked.given else WRONG

    def measure(task: Task, text: str) -> Reading:
        # Rank 4 is the fifth likeliest, so still expected; 5 is the first outside; what follows is not looked at.
        ranks = [4] * planted + [5] + [99] * len(text)
        return make_reading(text, ranks if text == WRONG else (), best="F")

    examples = Vista(samples=2, resamples=3).collect(run_of(store, rule, measure), [make_task()])

    resumed = [asked for asked in seen if asked.given]
    assert {asked.given for asked in resumed} == {WRONG[:planted] + "F"}
    assert len(resumed) == 2 * 3
    first = examples[0].rollout
    assert [part.text for part in first.parts] == [WRONG[:planted], "F", "<answer>7</answer>"]
    assert first.ids == (*map(ord, WRONG[:planted] + "F<answer>7</answer>"), STOP)
    assert (first.given, first.given_tokens, first.parent is not None) == (2, planted + 1, True)


def test_failed_attempts_are_read_with_the_question_first_and_resumed_with_the_original_prompt(store: Store) -> None:
    task = make_task()
    read_as: list[Task] = []
    asked_as: list[Task] = []

    def rule(asked: Asked) -> str:
        if asked.given:
            asked_as.append(asked.task)
        return RIGHT if asked.given else WRONG

    def measure(seen: Task, text: str) -> Reading:
        if text == WRONG:
            read_as.append(seen)
        return make_reading(text, [9])

    Vista(samples=1).collect(run_of(store, rule, measure), [task])
    assert read_as == [question_first(task)]
    assert asked_as == [task] * 3
    assert read_as[0].content == (task.question, *task.images)
    assert asked_as[0].content == (*task.images, task.question)


def test_correct_attempts_are_not_resumed_and_those_without_a_critical_token_are_counted(store: Store) -> None:
    """A truncated attempt was not verified either, so it is read like a wrong one."""
    texts = {0: RIGHT, 1: WRONG, 2: "<think>it never ends"}
    read: list[str] = []
    resumed: list[str] = []

    def rule(asked: Asked) -> str:
        if asked.given:
            resumed.append(asked.given)
        return texts[asked.attempt]

    def measure(task: Task, text: str) -> Reading:
        if task.content[0] == task.question:
            read.append(text)
        return make_reading(text)

    examples = Vista(samples=3).collect(run_of(store, rule, measure), [make_task()])
    assert read == [texts[1], texts[2]]
    assert resumed == []
    assert [e.rollout.text for e in examples] == [RIGHT]
    events = store.events("collect", 1)
    assert events[("no critical token", "all tokens among the 5 likeliest")] == 2


def shares_by_text(spans: dict[str, tuple[float, float, float]]) -> Callable[[Task, str], Reading]:
    return lambda task, text: make_reading(text, shares=[spans[text]] * (len(text) + 1))


def test_an_attempt_below_the_threshold_is_dropped_and_one_alone_in_its_task_stays(store: Store) -> None:
    """Shares .8 .8 .2: mean .6, deviation .283, scores .71 .71 -1.41; a lone attempt scores 0 wherever it looks."""
    texts = [f"{c} {RIGHT}" for c in "abc"]
    measure = shares_by_text({texts[0]: LOOKS, texts[1]: LOOKS, texts[2]: AWAY})

    def rule(asked: Asked) -> str:
        if asked.task.id == "three":
            return texts[asked.attempt]
        return texts[2] if asked.attempt == 0 else WRONG

    run = run_of(store, rule, lambda task, text: measure(task, text) if text in texts else make_reading(text))
    tasks = [make_task("three"), make_task("one")]
    examples = Vista(samples=3).collect(run, tasks)
    kept = [(e.rollout.task.id, e.rollout.text) for e in examples]
    assert kept == [("three", texts[0]), ("three", texts[1]), ("one", texts[2])]
    assert store.events("collect", 1)[("dropped", "vision-aware attention score below -0.5")] == 1


def test_score_is_the_share_summed_over_tokens_standardised_within_the_task(store: Store) -> None:
    """Two tokens (.2 .6 .2) and (.6 .2 .2) sum to .8 .8 .4: share .4; shares .4 and .8 standardise to -1 and 1."""
    mixed, looking = "a<answer>7</answer>", "b<answer>7</answer>"
    n = len(mixed) + 1
    spans = {mixed: [(0.2, 0.6, 0.2)] * (n // 2) + [(0.6, 0.2, 0.2)] * (n // 2), looking: [LOOKS] * n}
    run = run_of(
        store,
        lambda asked: [mixed, looking][asked.attempt],
        lambda task, text: make_reading(text, shares=spans[text]),
    )
    share = ImageShare()
    groups = run.score(run.sample([make_task()], 2), correct, share)
    assert [r[share] for r in groups[0].rollouts] == pytest.approx([0.4, 0.8])
    scored = zscore(groups, share)[0].rollouts
    assert [r.scores["zscore(image_share)"] for r in scored] == pytest.approx([-1, 1])


def test_threshold_and_k_are_the_papers() -> None:
    v = Vista()
    assert (v.samples, v.resamples, v.top, v.threshold, v.temperature, v.start) == (10, 3, 5, -0.5, 1.0, "base")


def test_unknown_verdicts_on_continuations_are_counted_apart_from_those_on_first_attempts(store: Store) -> None:
    """Of two attempts one gives no answer; both are resumed three times, each time with one that gives none."""

    def rule(asked: Asked) -> str:
        if asked.given:
            return "it never ends " if asked.attempt % 3 == 0 else RIGHT
        return ["it never ends ", WRONG][asked.attempt]

    Vista(samples=2).collect(run_of(store, rule, lambda _, text: make_reading(text, [0, 9])), [make_task()])
    tally = store.tally(1, 1, 0)
    assert (tally.attempts, tally.resumed, tally.rescued) == (2, 6, 4)
    assert (tally.unknown, tally.unknown_resumed) == (1 + 2, 2)


def test_the_counts_add_up(store: Store) -> None:
    texts = [f"{c} {RIGHT}" for c in "abcd"] + [WRONG]
    spans = {t: (LOOKS if i < 3 else AWAY) for i, t in enumerate(texts)}
    run = run_of(
        store,
        lambda asked: f"{asked.attempt} {RIGHT}" if asked.given else texts[asked.attempt],
        lambda task, text: make_reading(text, [9], shares=[spans.get(text, LOOKS)] * (len(text) + 1)),
    )
    store.begin("collect", 1)
    examples = Vista(samples=5).collect(run, [make_task()])
    tally = store.tally(1, 1, len(examples))
    assert (tally.attempts, tally.correct, tally.resumed, tally.rescued) == (5, 4, 3, 3)
    assert tally.correct + tally.rescued - tally.dropped == tally.examples
    assert tally.dropped == 1


def test_without_resampling_and_without_a_threshold_nothing_is_read(store: Store) -> None:
    """This model cannot be read at all, nor has it layers to read."""
    model = Scripted(lambda asked: [RIGHT, WRONG, RIGHT][asked.attempt], layers=0)
    run = Run({"policy": model}, store, round=1)
    examples = Vista(samples=3, resamples=0, threshold=float("-inf")).collect(run, [make_task()])
    assert [r.text for e in examples for r in e.rollouts] == [RIGHT, RIGHT]


def test_failed_attempts_may_be_read_in_the_order_they_were_asked_in(store: Store) -> None:
    read_as: list[Task] = []

    def measure(seen: Task, text: str) -> Reading:
        read_as.append(seen)
        return make_reading(text)

    method = Vista(samples=1, calibration="asked", threshold=float("-inf"))
    method.collect(run_of(store, lambda asked: WRONG, measure), [make_task()])
    assert read_as == [make_task()]


def test_equal_attempts_are_one_where_asked_and_the_cap_comes_last(store: Store) -> None:
    """Of five right attempts two are equal; of the four left one looks away, and of three the cap keeps two."""
    texts = [f"{c} {RIGHT}" for c in "aabcd"]
    run = run_of(
        store,
        lambda asked: texts[asked.attempt],
        lambda task, text: make_reading(text, shares=[AWAY if text == texts[4] else LOOKS] * (len(text) + 1)),
    )
    store.begin("collect", 1)
    examples = Vista(samples=5, distinct=True, most=2).collect(run, [make_task()])
    kept = [r.text for e in examples for r in e.rollouts]
    assert len(kept) == 2
    assert set(kept) < {texts[0], texts[2], texts[3]}
    assert store.events("collect", 1) == {
        ("dropped", "the same tokens as another attempt"): 1,
        ("dropped", "vision-aware attention score below -0.5"): 1,
        ("dropped", "more than 2 correct attempts at one question"): 1,
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"samples": 0}, "--samples 0 cannot be used; give 1 or more"),
        ({"resamples": -1}, "--resamples -1 cannot be used; give 0 or more"),
        ({"max_tokens": 0}, "--max-tokens 0 cannot be used"),
        ({"threshold": float("nan")}, "--threshold nan cannot be used; give a number, or -inf"),
        ({"most": 0}, "--most 0 cannot be used"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Vista(**settings)  # type: ignore[arg-type]
