"""One model of each family, made once."""

from __future__ import annotations

from typing import Any

import pytest

from .tiny import KINDS, TEXT_ONLY


@pytest.fixture(scope="session", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return KINDS[kind].save(tmp_path_factory.mktemp("families") / kind)


@pytest.fixture(scope="session")
def model(folder: Any) -> Any:
    from sharpen.models import load

    return load(str(folder))


@pytest.fixture(scope="session")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from sharpen.models import load

    return load(str(TEXT_ONLY.save(tmp_path_factory.mktemp("families") / "text")))
