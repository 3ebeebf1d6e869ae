"""Which equations a text states, and whether they hold."""

from __future__ import annotations

import pytest

from sharpen.scorers.equations import calculates, equations, holds


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3 + 4 = 7, 7 + 2 = 9.", ("3+4=7", "7+2=9")),
        ("3 + 4 = 7. 7 + 2 = 9. so 9.", ("3+4=7", "7+2=9")),
        ("costs $1,250 × 2 = $2,500 in all", ("1250*2=2500",)),
        ("half is 0.5 * 3 = 1.5 and (1 + 2) * 2 = 3 * 2 = 6", ("0.5*3=1.5", "(1+2)*2=3*2=6")),
        ("adding: 3, 7, 9.", ()),
        ("x = 4, and a + b = c", ()),
    ],
)
def test_equations_are_found_in_order_and_without_spacing(text: str, found: tuple[str, ...]) -> None:
    assert equations(text) == found


def test_an_equation_holds_up_to_the_rounding_it_states() -> None:
    assert [holds(e) for e in ("3+4=7", "3+4=8", "10/3=3.33", "10/3=3.32", "6=3*2=7", "1/0=1")] == [
        *(True, False, True, False, False),
        None,
    ]


def test_one_wrong_calculation_is_enough_and_none_is_unknown() -> None:
    assert calculates("3 + 4 = 7, 7 + 2 = 9.") == 1
    assert calculates("3 + 4 = 8, 8 + 2 = 10.") == 0
    assert calculates("the first is red.") is None
