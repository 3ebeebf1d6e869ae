# pyright: strict
"""Tasks to learn from that are also measured on: the same question about a picture that looks the same.

One of the two is no evidence: templates ask the same of many pictures, and one picture is asked about many
times. Questions are compared by their words, pictures by how they look, so that a copy that was resized or
saved as JPEG is found. Figures may differ in a number too small to see there, so where pictures only look the
same, gold answers that differ tell two tasks apart. A task without a picture is found by its question alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from ..grading.spelling import clean
from ..progress import Progress
from ..types import Image, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Thumbnail = NDArray[np.uint8]

WORDS = 8  # words in a row that are compared; a shorter question counts as a whole (ours)
SHARED = 0.8  # share of the shorter question's runs of words that the longer one has, too (ours)
FINE, COARSE = 16, 4  # blocks a side of a thumbnail, and of the one that candidates are found by (ours)
DIFFERENT = 40  # difference of a block's mean colour, of 255, from which two pictures are different ones (ours)
STRETCHED = 1.1  # ratio of the aspect ratios from which they are (ours)

Evidence = Literal["the same picture", "a picture that looks the same", "no picture"]


@dataclass(frozen=True)
class Overlap:
    """A training task that an evaluation task repeats, and what shows it."""

    train: str
    test: str
    picture: Evidence
    question: float
    """Share of the shorter question's runs of words that are in the other one."""

    @property
    def reason(self) -> str:
        """The evidence in words."""
        words = "the same words" if self.question == 1 else f"{self.question:.0%} of the same runs of words"
        return f"asks what evaluation task {self.test!r} asks: {self.picture}, {words}"


class Unseen:
    """Evaluation tasks that training tasks are compared with, some at a time; what they look like is kept."""

    def __init__(self, test: Sequence[Task]) -> None:
        self._test = test
        self._by_words = _by_words(test)
        self._places = _places(self._by_words)
        self._pictures = {image.sha256 for task in test for image in task.images}
        self._looks: dict[str, tuple[float, Thumbnail]] = {}

    def overlaps(self, train: Sequence[Task]) -> list[Overlap]:
        """Return the first of these tasks that repeats each training task, where one does."""
        ours, theirs = _by_words(train), self._by_words
        pairs = list(_alike(ours, self._places))
        wanted = {
            image.sha256 for mine, its, _ in pairs for task in (*ours[mine], *theirs[its]) for image in task.images
        }
        in_order = (image for task in (*train, *self._test) for image in task.images)  # as they lie in their files
        new = {i.sha256: i for i in in_order if i.sha256 in wanted and i.sha256 not in self._looks}
        looks = {**self._looks, **_looks(new)}
        self._looks = {sha: look for sha, look in looks.items() if sha in self._pictures}
        found: dict[str, Overlap] = {}
        for mine, its, share in pairs:
            for one, other, picture in _same_pictures(ours[mine], theirs[its], looks):
                found.setdefault(one.id, Overlap(one.id, other.id, picture, share))
        return [found[task.id] for task in train if task.id in found]


# --- questions ----------------------------------------------------------------------------------

Words = tuple[str, ...]


def _words(task: Task) -> Words:
    return tuple(re.findall(r"\w+|[^\w\s]", task.question.casefold()))


def _by_words(tasks: Sequence[Task]) -> dict[Words, list[Task]]:
    found: dict[Words, list[Task]] = defaultdict(list)
    for task in tasks:
        found[_words(task)].append(task)
    return dict(found)


def _runs(words: Words) -> set[Words]:
    return {words[i : i + WORDS] for i in range(max(1, len(words) - WORDS + 1))}


def _places(questions: Iterable[Words]) -> dict[Words, list[Words]]:
    """Return for each run of words the questions that it stands in."""
    places: dict[Words, list[Words]] = defaultdict(list)
    for question in questions:
        for run in _runs(question):
            places[run].append(question)
    return dict(places)


def _alike(ours: Iterable[Words], places: Mapping[Words, Sequence[Words]]) -> Iterator[tuple[Words, Words, float]]:
    """Yield pairs of questions that share their runs of words, with the share."""
    for mine in ours:
        runs = _runs(mine)
        shared = Counter(question for run in runs for question in places.get(run, ()))
        for its, count in shared.items():
            share = 1.0 if mine == its else count / min(len(runs), len(_runs(its)))
            if share >= SHARED:
                yield mine, its, share


# --- pictures -----------------------------------------------------------------------------------


def thumbnail(image: Image) -> tuple[float, Thumbnail]:
    """Return a picture's aspect ratio and the mean colours of its blocks."""
    import numpy as np
    from PIL.Image import Resampling

    from .images import decode

    picture = decode(image)
    blocks = np.asarray(picture.resize((FINE, FINE), Resampling.BOX), np.uint8)
    return picture.width / picture.height, blocks


def look_the_same(one: tuple[float, Thumbnail], other: tuple[float, Thumbnail]) -> bool:
    """Whether no block of two pictures differs as much as other content makes it differ."""
    ratio = max(one[0], other[0]) / min(one[0], other[0])
    return ratio < STRETCHED and int(abs(one[1].astype(int) - other[1]).max()) < DIFFERENT


Looks = Mapping[str, tuple[float, "Thumbnail"]]


def _looks(pictures: Mapping[str, Image]) -> Looks:
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(thumbnail, pictures.values())
        return dict(zip(pictures, Progress("comparing pictures", len(pictures)).over(made), strict=True))


def _same_pictures(train: Sequence[Task], test: Sequence[Task], looks: Looks) -> Iterator[tuple[Task, Task, Evidence]]:
    """Yield the pairs of tasks of like question whose pictures are the same, each of them."""
    for one, other in product((t for t in train if not t.images), (t for t in test if not t.images)):
        yield one, other, "no picture"
    with_any = [t for t in test if t.images]
    first = {sha: i for i, sha in enumerate(dict.fromkeys(t.images[0].sha256 for t in with_any))}
    near = _near(sorted({t.images[0].sha256 for t in train if t.images}), list(first), looks)
    owners: dict[str, list[Task]] = defaultdict(list)
    for task in with_any:
        owners[task.images[0].sha256].append(task)
    for one in train:
        for sha in near[one.images[0].sha256] if one.images else ():
            for other in owners[sha]:
                if one.images == other.images:
                    yield one, other, "the same picture"
                elif _same_answer(one, other) and _copies(one.images, other.images, looks):
                    yield one, other, "a picture that looks the same"


def _same_answer(one: Task, other: Task) -> bool:
    """Whether two gold answers may be the same: one that is not known may be any."""
    if one.answer is None or other.answer is None:
        return True
    return clean(one.answer).casefold() == clean(other.answer).casefold()


def _copies(ours: Sequence[Image], theirs: Sequence[Image], looks: Looks) -> bool:
    return len(ours) == len(theirs) and all(
        a == b or look_the_same(looks[a.sha256], looks[b.sha256]) for a, b in zip(ours, theirs, strict=True)
    )


def _near(ours: Sequence[str], theirs: Sequence[str], looks: Looks) -> dict[str, list[str]]:
    """Return for each of our pictures those of theirs that may look the same, by coarse blocks."""
    if not ours or not theirs:
        return {sha: [] for sha in ours}
    import numpy as np

    spatial: Any = import_module("scipy.spatial")

    def coarse(shas: Sequence[str]) -> NDArray[np.float64]:
        side = FINE // COARSE
        fine = np.stack([looks[sha][1] for sha in shas]).reshape(len(shas), COARSE, side, COARSE, side, 3)
        return fine.mean(axis=(2, 4)).reshape(len(shas), -1)

    tree: Any = spatial.cKDTree(coarse(theirs))
    found: list[list[int]] = tree.query_ball_point(coarse(ours), DIFFERENT, p=np.inf)
    return {sha: [str(theirs[i]) for i in near] for sha, near in zip(ours, found, strict=True)}
