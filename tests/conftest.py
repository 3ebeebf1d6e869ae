"""What several tests share: a ledger, and a random LLaVA of a million weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sharpen.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "run") as opened:
        yield opened


@pytest.fixture(scope="session")
def random_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA folder with random weights and a small vocabulary of its own."""
    from sharpen.worlds.corpus import texts
    from sharpen.worlds.lexicon import learn
    from sharpen.worlds.tiny import fresh, save

    folder = tmp_path_factory.mktemp("random")
    tokenizer = learn(texts(300, 0))
    save(fresh(tokenizer, 0), tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def random_model(random_folder: Path):
    from sharpen.models import load

    return load(str(random_folder))
