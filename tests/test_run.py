"""Runs: recorded, replayed, addressed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from support import make_reading, make_task

from sharpen.errors import StoreError
from sharpen.models.model import Drawing, Sampling, Write, Written
from sharpen.models.scripted import STOP, Asked, Scripted
from sharpen.run import Run
from sharpen.scorers import Scorer
from sharpen.scorers.correct import correct
from sharpen.store import Store
from sharpen.types import Group, Part, Prefix, Reading, Score
from sharpen.verbs import cut
from sharpen.views import blind


class Counting(Scripted):
    """A scripted model that can crash after some attempts and counts what it wrote."""

    wrote = 0
    crash_at: int | None = None

    def write(self, requests: Sequence[Write]) -> Iterator[Written]:
        for written in super().write(requests):
            if Counting.crash_at is not None and Counting.wrote == Counting.crash_at:
                raise RuntimeError("crash")
            Counting.wrote += 1
            yield written


@pytest.fixture
def counting() -> Counting:
    Counting.wrote, Counting.crash_at = 0, None
    return Counting(lambda asked: f"{asked.seed % 1000} {asked.attempt} {asked.given}")


def seen(groups: Sequence[Group]) -> list[tuple[object, ...]]:
    """What attempts are, read while the ledger is open."""
    return [(r.key, r.task, tuple(r.parts), r.finish, r.model) for g in groups for r in g.rollouts]


def test_a_crash_loses_nothing_and_nothing_is_sampled_twice(tmp_path: Path, counting: Counting) -> None:
    tasks = [make_task(f"t{i}") for i in range(6)]
    with Store(tmp_path / "whole") as store:
        whole = seen(Run({"policy": counting}, store).sample(tasks, 5))
    Counting.wrote, Counting.crash_at = 0, 17
    with Store(tmp_path / "cut") as store, pytest.raises(RuntimeError):
        Run({"policy": counting}, store).sample(tasks, 5)
    Counting.crash_at = None
    with Store(tmp_path / "cut") as store:
        again = seen(Run({"policy": counting}, store).sample(tasks, 5))
    assert Counting.wrote == 30
    assert again == whole


def test_draws_are_addressed_by_task_call_and_attempt_and_not_by_order(store: Store, counting: Counting) -> None:
    tasks = [make_task(f"t{i}") for i in range(4)]
    forward = {g.task.id: [r.text for r in g.rollouts] for g in Run({"policy": counting}, store).sample(tasks, 3)}
    backward = Run({"policy": counting}, store).sample(tasks[::-1], 3)
    assert {g.task.id: [r.text for r in g.rollouts] for g in backward} == forward
    assert Counting.wrote == 12
    other_round = Run({"policy": counting}, store, round=1).sample(tasks, 3)
    assert all(r.text not in forward[g.task.id] for g in other_round for r in g.rollouts)


def test_more_attempts_of_the_same_call_only_add(store: Store, counting: Counting) -> None:
    few = Run({"policy": counting}, store).sample([make_task()], 2)
    many = Run({"policy": counting}, store).sample([make_task()], 5)
    assert many[0].rollouts[:2] == few[0].rollouts
    assert Counting.wrote == 5


def test_another_question_setting_or_model_is_sampled_anew(store: Store, counting: Counting) -> None:
    task = make_task()
    Run({"policy": counting}, store).sample([task], 1)
    Run({"policy": counting}, store).sample([replace(task, question="and now?")], 1)
    Run({"policy": counting}, store).sample([task], 1, temperature=0.5)
    Run({"policy": replace(counting, name="other")}, store).sample([task], 1)
    assert Counting.wrote == 4


def test_every_setting_of_sampling_reaches_the_model_the_key_and_the_call(store: Store) -> None:
    """Attempt 0 under eight settings is eight attempts, and the ledger's call says which setting each had."""
    seen: list[Sampling] = []

    class Listening(Scripted):
        def write(self, requests: Sequence[Write]) -> Iterator[Written]:
            seen.extend(r.sampling for r in requests)
            return super().write(requests)

    model = Listening(lambda asked: "x")
    settings: list[Drawing] = [
        {}, {"temperature": 0.5}, {"top_p": 0.9}, {"top_k": 3}, {"max_tokens": 7}, {"min_p": 0.1},
        {"repetition_penalty": 1.2}, {"stop": ("\n\n",)},
    ]  # fmt: skip
    keys: set[str] = set()
    for drawing in settings:
        run = Run({"policy": model}, store)
        written = run.sample([make_task()], 1, **drawing)
        resumed = run.resume([Prefix(written[0].rollouts[0], 0)], 1, **drawing)
        keys |= {r.key for g in (*written, *resumed) for r in g.rollouts}
    assert len(keys) == 2 * len(settings)
    found = [asdict(s) for s in seen]
    room = {"max_tokens": model.max_tokens}
    assert found == [asdict(Sampling()) | room | drawing for drawing in settings for _ in ("sample", "resume")]
    said = [json.loads(text) for (text,) in store.db.rows("SELECT settings FROM calls ORDER BY id")]
    for i, drawing in enumerate(settings):
        assert said[2 * i] == said[2 * i + 1]
        assert said[2 * i].items() >= json.loads(json.dumps(drawing)).items()


def test_a_view_is_what_is_shown_and_not_what_is_asked(store: Store, counting: Counting) -> None:
    rollout = Run({"policy": counting}, store).sample([make_task()], 1, view=blind)[0].rollouts[0]
    assert rollout.seen.images == ()
    assert len(rollout.task.images) == 1


def test_resuming_keeps_the_ids_and_says_who_wrote_what(store: Store) -> None:
    model = Scripted(lambda asked: "c!" if asked.given else "abcd")
    run = Run({"policy": model}, store)
    parent = run.sample([make_task()], 1)[0].rollouts[0]
    (group,) = run.resume([cut(parent, 2, then=(ord("x"),), by="forced")], 1)
    (child,) = group.rollouts
    assert [(p.text, p.by) for p in child.parts] == [("ab", "model"), ("x", "forced"), ("c!", "model")]
    assert (child.given, child.parent, child.text) == (2, parent.key, "abxc!")
    again = Run({"policy": model}, store)
    again.sample([make_task()], 1)
    assert again.resume([cut(parent, 2, then=(ord("x"),), by="forced")], 1) == [group]


def test_the_limit_counts_the_prefix_and_a_prompt_without_room_is_noted(store: Store) -> None:
    run = Run({"policy": Scripted(lambda asked: "abcdefghij", context=40)}, store)
    parent = run.sample([make_task()], 1, max_tokens=6)[0].rollouts[0]
    assert (parent.text, parent.finish) == ("abcdef", "length")
    child = run.resume([cut(parent, 4)], 1, max_tokens=6)[0].rollouts[0]
    assert len(child.ids) == 6
    long = make_task("long", question="x" * 60)
    assert run.sample([long], 3)[0].rollouts == ()
    assert [kind for kind, _ in store.events("collect", 0)] == ["too long"]


def test_a_prefix_that_ends_the_turn_is_not_resumed_but_noted(store: Store) -> None:
    run = Run({"policy": Scripted(lambda asked: "abc")}, store)
    parent = run.sample([make_task()], 1)[0].rollouts[0]
    groups = run.resume([cut(parent, 2, then=(STOP,)), cut(parent, 2)], 1)
    assert [len(g.rollouts) for g in groups] == [0, 1]
    assert store.events("collect", 0) == {("already ended", "the prefix ends the turn"): 1}


def test_readings_are_recorded(store: Store) -> None:
    calls: list[str] = []

    def measure(task: object, text: str):
        calls.append(text)
        return make_reading(text, [1, 2, 3])

    run = Run({"policy": Scripted(lambda asked: "abc", measure)}, store)
    rollouts = run.sample([make_task()], 2)[0].rollouts
    first = run.read(rollouts, layers=(2,))
    assert first == Run({"policy": Scripted(lambda asked: "abc", measure)}, store).read(rollouts, layers=(2,))
    assert calls == ["abc"]
    assert first[0].rank == (1, 2, 3, 0)


class Broken(Scorer):
    def __call__(self, groups: Sequence[Group], run: Run) -> list[list[Score]]:
        return [[1.0] for _ in groups]


def test_a_scorer_that_gives_too_few_scores_is_named(store: Store) -> None:
    run = Run({"policy": Scripted(lambda asked: "x")}, store)
    groups = run.sample([make_task()], 2)
    with pytest.raises(ValueError, match="'broken' gave 1 scores for the 2 attempts at task 't'"):
        run.score(groups, Broken())


def test_unknown_is_kept_apart_from_wrong(store: Store) -> None:
    texts = ["<answer>7</answer>", "<answer>8</answer>", "<think>it never ends"]
    run = Run({"policy": Scripted.replay({"t": texts})}, store)
    (group,) = run.score(run.sample([make_task()], 3), correct)
    assert [r[correct] for r in group.rollouts] == [1.0, 0.0, None]
    assert group.rate(correct) == 0.5
    assert [kind for kind, _ in store.events("collect", 0)] == ["unknown"]


def test_a_score_never_given_is_an_error_that_says_so(store: Store) -> None:
    rollout = Run({"policy": Scripted(lambda asked: "x")}, store).sample([make_task()], 1)[0].rollouts[0]
    with pytest.raises(KeyError, match="never scored by 'correct'"):
        rollout[correct]


class Reads(Scorer):
    def __call__(self, groups: Sequence[Group], run: Run) -> list[list[Score]]:
        run.read([r for g in groups for r in g.rollouts])
        return [[1.0 for _ in g.rollouts] for g in groups]


def test_time_is_counted_once_where_a_scorer_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only reading moves, two seconds an attempt."""
    from types import SimpleNamespace

    now = [0.0]
    monkeypatch.setattr("sharpen.timing.time", SimpleNamespace(monotonic=lambda: now[0]))

    def slow(task: object, text: str) -> Reading:
        now[0] += 2
        return make_reading(text)

    run = Run({"policy": Scripted(lambda asked: f"{asked.attempt}", slow)}, store)
    run.score(run.sample([make_task()], 4), Reads())
    parts = store.timings()
    assert (parts["collect read"][0], parts["collect score reads"][0]) == (8, 0)


def test_ask_answers_in_words(store: Store) -> None:
    def rule(asked: Asked) -> str:
        return f"about {asked.task.id}"

    assert Run({"policy": Scripted(rule)}, store).ask([make_task("a"), make_task("b")]) == ["about a", "about b"]


def test_two_processes_cannot_share_a_folder_and_a_foreign_file_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path / "a"), pytest.raises(StoreError, match="in use by another process"):
        Store(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "ledger.db").write_text("this is no database, it is a text file of some length")
    with pytest.raises(StoreError, match="is damaged or no ledger"):
        Store(tmp_path / "b")


def test_the_number_of_attempts_may_differ_per_task(store: Store, counting: Counting) -> None:
    run = Run({"policy": counting}, store)
    tasks = [make_task(f"t{i}") for i in range(3)]
    groups = run.sample(tasks, [2, 0, 3])
    assert [len(g.rollouts) for g in groups] == [2, 0, 3]
    alike = Run({"policy": counting}, store).sample(tasks, 2)
    assert alike[0] == groups[0]
    assert alike[2].rollouts == groups[2].rollouts[:2]
    prefixes = [cut(r, 1) for r in groups[2].rollouts]
    assert [len(g.rollouts) for g in run.resume(prefixes, (0, 1, 2))] == [0, 1, 2]
    with pytest.raises(ValueError, match="2 numbers of attempts for 3 prompts"):
        run.sample(tasks, [1, 2])


def test_ready_made_responses_are_recorded_as_given_and_keep_their_ids(store: Store) -> None:
    from sharpen.ledger.check import faults

    run = Run({"policy": Scripted(lambda asked: "x")}, store)
    part = Part((104, 105), "hi", "teacher")
    for _ in range(2):
        groups = run.given([(make_task("a"), "so 7"), (make_task("b"), part)])
    (text,), (ids,) = (g.rollouts for g in groups)
    assert (text.ids, text.text, text.model, text.given, text.seen) == ((*map(ord, "so 7"), STOP), "so 7", *(
        "given", 1, make_task("a"),
    ))  # fmt: skip
    assert ids.ids == (104, 105)
    assert [r[0] for r in store.db.rows("SELECT verb FROM rollouts")] == ["given", "given"]
    assert {t.id for t in store.tasks(["a", "b"]).values()} == {"a", "b"}
    assert list(faults(store.folder)) == []


def test_parts_with_logprobs_come_back_equal(store: Store) -> None:
    class Sure(Scripted):
        def write(self, requests: Sequence[Write]) -> Iterator[Written]:
            for w in super().write(requests):
                yield replace(w, part=Part(w.part.ids, w.part.text, "model", (-0.5,) * len(w.part.ids)))

    model = Sure(lambda asked: "héllo")
    fresh = Run({"policy": model}, store).sample([make_task()], 2)
    assert Run({"policy": model}, store).sample([make_task()], 2) == fresh
