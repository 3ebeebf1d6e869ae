"""Methods as words: values by the type of their setting, grids, and errors that name what may be given."""

from __future__ import annotations

from math import inf

import pytest

from sharpen.errors import UserError
from sharpen.methods.rest_em import RestEm
from sharpen.methods.vista import Vista
from sharpen.variants import folder_name, value_of, variants


def test_a_word_is_a_method_with_settings_of_their_type() -> None:
    assert variants(["vista", "rest-em", "vista:threshold=-inf,max-tokens=9", "vista:start=last"]) == {
        "vista": Vista(),
        "rest_em": RestEm(),
        "vista:threshold=-inf,max_tokens=9": Vista(threshold=-inf, max_tokens=9),
        "vista:start=last": Vista(start="last"),
    }


def test_a_grid_crosses_the_methods_that_leave_its_settings_open() -> None:
    found = variants(["rest_em", "vista", "vista:top=2"], ["threshold=-1,0", "top=3,4"])
    assert list(found) == [
        "rest_em",
        *("vista:threshold=-1,top=3", "vista:threshold=-1,top=4", "vista:threshold=0,top=3", "vista:threshold=0,top=4"),
        *("vista:top=2,threshold=-1", "vista:top=2,threshold=0"),
    ]
    assert found["vista:threshold=0,top=4"] == Vista(threshold=0.0, top=4)


@pytest.mark.parametrize(
    ("words", "grid", "said"),
    [
        (["visto"], [], "no method 'visto'"),
        (["vista:threshhold=0"], [], "vista has no setting 'threshhold'; it has samples, temperature,"),
        (["vista:top=two"], [], "vista:top=two cannot be used; give a whole number"),
        (["vista:threshold=nan"], [], "vista:threshold=nan cannot be used; give a number"),
        (["vista:start=middle"], [], "vista:start=middle cannot be used; give base or last"),
        (["vista:max_tokens=x"], [], "give none or a whole number"),
        (["vista:top=0"], [], "vista:top=0: --top 0 cannot be used; give 1 or more"),
        (["vista:top"], [], "'top' is no setting; write METHOD:SETTING=VALUE"),
        (["vista:top=1,top=2"], [], "sets 'top' twice"),
        (["vista", "vista:top=5"], [], "vista:top=5 and vista are the same method"),
        (["rest_em"], ["threshold=0"], "--grid threshold: no method here has such a setting open; rest_em has samples"),
        (["vista"], ["threshold=0,,1"], "no list of values"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_can(words: list[str], grid: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        variants(words, grid)
    assert said in str(error.value)


def test_a_value_is_read_by_the_first_type_that_takes_it() -> None:
    assert value_of(int | None, "none", "s") is None
    assert value_of(str | None, "none", "s") is None
    assert value_of(bool, "false", "s") is False
    assert value_of(int | float, "3", "s") == 3
    assert value_of(int | float, "3.5", "s") == 3.5
    assert value_of(float, "-inf", "s") == -inf
    with pytest.raises(UserError, match="nothing on a command line"):
        value_of(tuple[int, ...], "1", "s")


def test_words_that_differ_have_folders_that_differ() -> None:
    words = ["vista", "vista:threshold=-inf", "m:path=a/b", "m:path=a_b", "m:path=a:b"]
    names = [folder_name(word) for word in words]
    assert names[:2] == ["vista", "vista-threshold=-inf"]
    assert len(set(names)) == len(words)
    assert not any("/" in name or ":" in name for name in names)
