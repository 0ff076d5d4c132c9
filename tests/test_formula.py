"""The formula language: what its functions compute and remember, and what it rejects."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_envs.errors import SceneError
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.types import Inputs, Signal

DT = 0.1
WHERE = "room.xml, text 'measure/x'"

# s: one number; x: three copies of one number; v: two copies of a vector of three;
# b: like x, but each of the three bodies may be absent.
SIGNALS = {
    "s": Signal(),
    "x": Signal(copies=3),
    "v": Signal(copies=2, dim=3),
    "b": Signal(copies=3, stem="ball", index=(0, 1, 2)),
}
VALUES = {"s": [[4]], "x": [[1], [-2], [3]], "v": [[3, 4, 0], [1, 2, 2]], "b": [[1], [-2], [3]]}


def compile_(text: str, copies: int = 1) -> Formula:
    return Formula(text, SIGNALS, WHERE, copies=copies)


def inputs(
    formula_registers: list[np.ndarray],
    fresh: bool = True,
    present: Sequence[int] = (1, 1, 1),
    **values: list,
) -> Inputs:
    """One simulation; a value may be given as a number, where it is a single copy's."""
    arrays = {k: np.array([v], float).reshape(1, -1, SIGNALS[k].dim) for k, v in values.items()}
    there = {"ball": np.array([present], float)}
    return Inputs(arrays, there, formula_registers, fresh, DT)


def value(text: str, present: Sequence[int] = (1, 1, 1)) -> float:
    """The formula's value on VALUES, at the first evaluation after a reset."""
    formula = compile_(text)
    return float(formula(inputs(formula.registers(1), present=present, **VALUES), 1)[0])


def history(text: str, s: Sequence[float], resets: Sequence[int] = (0,)) -> list[float]:
    """The formula's values as the signal s changes; its memory is reset at these steps."""
    formula = compile_(text)
    registers = formula.registers(1)
    return [
        float(formula(inputs(registers, fresh=i in resets, s=[[x]]), 1)[0]) for i, x in enumerate(s)
    ]


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s", 4),
        ("2 + 3 * s", 14),
        ("-s / 8 - 1", -1.5),
        ("s ** 0.5", 2),
        ("(s > 3) + (s >= 4) + (s < 4) + (s <= 4) + (s == 4) + (s != 4)", 4),
        ("abs(1 - s)", 3),
        ("clip(s, 0, 1)", 1),
        ("clip(s, 5, 6)", 5),
        ("sqrt(s)", 2),
        ("exp(s - 4)", 1),
        ("mean(x)", 2 / 3),
        ("sum(x)", 2),
        ("min(x)", -2),
        ("max(x)", 3),
        ("sum(abs(x) * s)", 24),
        ("mean(x > 0)", 2 / 3),
        ("max(norm(v))", 5),
        ("sum(norm(v))", 8),
        ("norm(sum(v))", np.sqrt(16 + 36 + 4)),
        ("sum(join(x, s))", 6),
        ("max(join(x, s))", 4),
        ("min(join(1, join(2, x)))", -2),
        ("sum(norm(join(v, 1)))", 8 + np.sqrt(3)),
        ("True", 1),
        ("7", 7),
        ("sum(x(v))", 4),
        ("sum(y(v))", 6),
        ("max(z(v))", 2),
        ("sum(component(v, 1))", 6),
        ("z(sum(v)) + component(s, 0)", 6),
        ("x(sum(join(v, 2)))", 6),
        ("min(s, 3) + max(s, 3)", 7),
        ("sum(max(x, 0))", 4),
        ("max(min(norm(v), s))", 4),
    ],
)
def test_functions_and_operators_compute(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected)


def test_constant_is_equal_in_every_simulation() -> None:
    formula = compile_("1 + 1")
    batch = Inputs({}, {}, [], True, DT)
    assert formula(batch, 5).tolist() == [2] * 5


def test_formula_of_copies_gives_one_number_per_copy() -> None:
    formula = compile_("1 - x", copies=3)
    assert formula(inputs([], **VALUES), 1).tolist() == [[0, 3, -2]]
    scalar = compile_("s", copies=3)
    assert scalar(inputs([], **VALUES), 1).tolist() == [[4, 4, 4]]


# --- memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "s", "expected"),
    [
        ("count(s)", [0, 1, 1, 0, 1], [0, 1, 1, 1, 2]),
        ("count(s > 2)", [0, 2, 3, 4, 1, 3], [0, 0, 1, 1, 1, 2]),
        ("total(s)", [5, 1, 2, -4], [0, 0.1, 0.3, -0.1]),
        ("ever(s)", [0, 0, 2, 0], [0, 0, 1, 1]),
        ("since(s)", [0, 1, 0, 0, 1], [np.inf, 0, 0.1, 0.2, 0]),
        ("total(1)", [0, 0, 0], [0, 0.1, 0.2]),
        ("total(s) - total(2 * s)", [0, 1, 1], [0, -0.1, -0.2]),
        ("count(since(s) < 0.15)", [0, 1, 0, 0, 0, 1], [0, 1, 1, 1, 1, 2]),
        ("total(count(s))", [0, 1, 0, 1], [0, 0.1, 0.2, 0.4]),
    ],
)
def test_memory_starts_at_the_reset(text: str, s: list[float], expected: list[float]) -> None:
    assert history(text, s) == pytest.approx(expected)


def test_signal_true_at_the_reset_counts_for_ever_but_not_as_rising_edge() -> None:
    assert history("count(s)", [1, 1, 0, 1]) == [0, 0, 0, 1]
    assert history("ever(s)", [1, 0]) == [1, 1]
    assert history("since(s)", [1, 0]) == pytest.approx([0, DT])


@pytest.mark.parametrize(
    ("text", "s", "expected"),
    [
        ("count(s)", [0, 1, 0, 1, 0, 1], [0, 1, 1, 0, 0, 1]),
        ("total(s)", [0, 1, 1, 1, 1, 1], [0, 0.1, 0.2, 0, 0.1, 0.2]),
        ("ever(s)", [0, 1, 0, 0, 0, 1], [0, 1, 1, 0, 0, 1]),
        ("since(s)", [0, 1, 0, 0, 0, 1], [np.inf, 0, 0.1, np.inf, np.inf, 0]),
    ],
)
def test_reset_clears_memory(text: str, s: list[float], expected: list[float]) -> None:
    assert history(text, s, resets=(0, 3)) == pytest.approx(expected)


def test_each_copy_has_its_own_memory() -> None:
    formula = compile_("mean(count(x))")
    registers = formula.registers(1)
    x = [[0, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 0]]
    values = [formula(inputs(registers, fresh=i == 0, x=[x[i]]), 1)[0] for i in range(4)]
    assert values == pytest.approx([0, 2 / 3, 2 / 3, 4 / 3])


def test_returned_values_do_not_change_later() -> None:
    """The memory itself must not leak out, since it is updated in place."""
    formula = compile_("count(s)")
    registers = formula.registers(1)
    formula(inputs(registers, s=[[0]]), 1)
    first = formula(inputs(registers, fresh=False, s=[[1]]), 1)
    formula(inputs(registers, fresh=False, s=[[0]]), 1)
    formula(inputs(registers, fresh=False, s=[[1]]), 1)
    assert first.tolist() == [1]


# --- absent bodies ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "present", "expected"),
    [
        ("mean(b)", (1, 0, 1), 2),
        ("sum(b)", (1, 0, 1), 4),
        ("min(b)", (1, 0, 1), 1),
        ("max(b)", (1, 1, 0), 1),
        ("mean(b)", (0, 0, 0), 0),
        ("sum(b)", (0, 0, 0), 0),
        ("sum(1 - b)", (0, 1, 1), 1),
        ("mean(b + s)", (0, 1, 0), 2),
        ("sum(b * x)", (1, 0, 1), 10),
        ("sum(ever(b > 0))", (1, 0, 0), 1),
        ("sum(join(b, x))", (0, 0, 0), 2),
        ("mean(join(b, s))", (1, 0, 0), 2.5),
    ],
)
def test_reductions_skip_absent_bodies(text: str, present: tuple, expected: float) -> None:
    assert value(text, present) == pytest.approx(expected)


def test_absent_single_body_is_skipped_inside_expressions() -> None:
    signals = {"puck": Signal(stem="puck", index=(0,)), "x": Signal(copies=3)}
    batch = Inputs(
        {"puck": np.full((2, 1, 1), 7.0), "x": np.ones((2, 3, 1))},
        {"puck": np.array([[1.0], [0.0]])},
        [],
        True,
        DT,
    )
    for text, expected in (
        ("sum(puck)", [7, 0]),
        ("sum(1 - puck)", [-6, 0]),
        ("sum(x * puck)", [21, 0]),
        ("mean(x * puck)", [7, 0]),
    ):
        assert Formula(text, signals, WHERE)(batch, 2).tolist() == expected


# --- batches ---------------------------------------------------------------------------------

LEAVES = st.sampled_from(["s", "x", "b", "norm(v)", "max(b)", "0.5", "3"])


def _combine(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions of 1 or 3 copies, or (for norm(v)) of a reduction of its 2."""
    three = inner.filter(lambda text: "norm(v)" not in text or text.startswith(("mean(", "sum(")))
    one = st.sampled_from(["abs", "count", "total", "ever", "since", "mean", "sum", "min", "max"])
    called = st.builds("{}({})".format, one, inner)
    sign = st.sampled_from(["+", "-", "*", "/", "<", ">=", "=="])
    return called | st.builds("({} {} {})".format, three, sign, three)


EXPRESSIONS = st.recursive(LEAVES, _combine, max_leaves=8).map("mean({})".format)


@settings(max_examples=60, deadline=None)
@given(text=EXPRESSIONS, seed=st.integers(0, 2**32 - 1))
def test_all_simulations_at_once_equal_one_by_one(text: str, seed: int) -> None:
    try:
        formula = compile_(text)
    except SceneError as error:
        assert "copies cannot be combined" in str(error)
        return
    n, steps, rng = 4, 5, np.random.default_rng(seed)
    shapes = {name: (steps, n, kind.copies, kind.dim) for name, kind in SIGNALS.items()}
    data = {name: rng.integers(-2, 3, shape).astype(float) for name, shape in shapes.items()}
    present = {"ball": rng.integers(0, 2, (n, 3)).astype(float)}

    def run(rows: slice) -> np.ndarray:
        there = {stem: array[rows] for stem, array in present.items()}
        registers = formula.registers(len(there["ball"]))
        values = []
        for t in range(steps):
            signals = {name: array[t, rows] for name, array in data.items()}
            batch = Inputs(signals, there, registers, t in (0, 3), DT)
            values.append(formula(batch, len(there["ball"])))
        return np.stack(values, 1)

    with np.errstate(all="ignore"):
        together = run(slice(None))
        apart = np.concatenate([run(slice(i, i + 1)) for i in range(n)])
    np.testing.assert_array_equal(together, apart)


# --- rejected texts --------------------------------------------------------------------------


NOT_ONE_NUMBER = (
    "this is 3 numbers, one per copy, where one is needed; reduce it with mean, sum, min or max"
)


def rejection(text: str) -> str:
    with pytest.raises(SceneError) as error:
        compile_(text)
    assert str(error.value).startswith(f"{WHERE}: ")
    return str(error.value).removeprefix(f"{WHERE}: ")


@pytest.mark.parametrize(
    "code",
    [
        "s.real",
        "s[0]",
        "lambda: 1",
        "f'{s}'",
        "(s := 1)",
        "[s for s in x]",
        "[1, 2]",
        "{1: 2}",
        "s if s else x",
        "s and x",
        "not s",
        "s < 1 < 2",
        "s % 2",
        "s @ x",
        "~s",
        "'text'",
        "None",
        "1j",
        "1e999",
        "9" * 400,
        "sum(*x)",
        "sum(x=1)",
        "sum.__class__",
        "s.__class__.__mro__",
        "mean(x).sum()",
    ],
)
def test_python_beyond_the_language_is_rejected(code: str) -> None:
    assert "is not part of the formula language" in rejection(code)


@pytest.mark.parametrize(
    ("code", "words", "ours"),
    [
        ("(s > 1) and (s < 5)", "write (s > 1) * (s < 5) for 'and'", 1),
        ("(s > 5) | (s > 3)", "write max(s > 5, s > 3) for 'or'", 1),
        ("s > 5 or s > 6 or s", "write max(max(s > 5, s > 6), s) for 'or'", 4),
        ("not (s > 5)", "write 1 - (s > 5) for 'not'", 1),
        ("1 < s <= 4", "compare two at a time, as in (1 < s) * (s <= 4)", 1),
        ("2 if s else 3", "write s * 2 + (1 - s) * 3 for 'if'", -1),
        ("s ^ 2", "write s ** 2 for 'to the power of'", 16),
        ("sum(v)[0]", "write component(sum(v), 0) for one number of a vector", 4),
        ("sum(v).z", "write z(sum(v)) for one number of a vector", 2),
        ("+s", "write s without the +", 4),
    ],
)
def test_other_notation_is_answered_with_ours(code: str, words: str, ours: float) -> None:
    """The answer is itself a formula, of the value that was meant."""
    assert rejection(code).endswith(f"is not part of the formula language; {words}")
    formula = words.removeprefix("write ").removeprefix("compare two at a time, as in ")
    assert value(formula.partition(" for ")[0].partition(" without ")[0]) == ours


def test_calls_of_other_functions_are_rejected() -> None:
    assert rejection("__import__('os')").startswith("unknown function '__import__'; valid: abs, ")
    assert rejection("eval('1')").startswith("unknown function 'eval'; ")
    assert rejection("(lambda: 1)()").startswith("'(lambda: 1)()' is not part of the formula")


@pytest.mark.parametrize(
    "text", ["s +\n  3", "\n s\n+ 3\n", "(s\r\n\t+\u00a03)", "abs(\n-s\n) +\n\n3"]
)
def test_white_space_of_any_kind_is_a_blank(text: str) -> None:
    assert value(text) == 7


def test_text_with_a_comment_is_rejected_whole() -> None:
    """Of "s # a\\n + 3" on one line, Python would only read the s."""
    assert rejection("s # a\n + 3") == "'s # a + 3' is not a formula; check its brackets"


@pytest.mark.parametrize("text", ["", "s +", "import os", "s; s", "s = 1", "sum(x", "\0", "s s"])
def test_text_that_does_not_parse_is_rejected(text: str) -> None:
    shown = text.replace("\0", "\\x00")
    assert rejection(text) == f"'{shown}' is not a formula; check its brackets"


@pytest.mark.parametrize(
    "text", ["s" + " + s" * 150, "-" * 1500 + "s", "abs(" * 150 + "s" + ")" * 150]
)
def test_deep_nesting_is_rejected_before_the_stack_overflows(text: str) -> None:
    assert rejection(text) == "nested more than 100 deep; split it into measures"


def test_more_brackets_than_python_can_parse_are_rejected() -> None:
    assert "is not a formula; check its brackets" in rejection("(" * 900 + "s" + ")" * 900)


def test_sum_of_many_terms_is_accepted() -> None:
    assert value("+".join(["s"] * 90)) == 360


def test_very_long_text_is_rejected() -> None:
    assert rejection("s" + " " * 2000) == (
        "2001 characters is too long for a formula; shorten it to 2000 or split it into measures"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", NOT_ONE_NUMBER),
        ("count(x)", NOT_ONE_NUMBER),
        ("max(v)", "this is a vector of 3, where one number is needed; use norm"),
        ("sum(x + norm(v))", "2 and 3 copies cannot be combined; reduce one of them"),
        ("norm(join(v, x), s)", "norm takes 1 argument(s), not 2"),
        ("min(s, x)", NOT_ONE_NUMBER),
        ("min(s, s, s)", "min takes 1 or 2 argument(s), not 3"),
        (
            "component(v, 3)",
            "component(v, 3): the second argument numbers the components of a vector; write 0 to 2",
        ),
        (
            "sum(component(v, s))",
            "component(v, s): the second argument numbers the components of a vector; write 0 to 2",
        ),
        (
            "x(s)",
            "x takes a vector along the axes x, y and z, and this has 1 number(s); name a sensor "
            "of 3 numbers, or write component(VECTOR, NUMBER)",
        ),
        ("clip(s, 1)", "clip takes 3 argument(s), not 2"),
        ("count()", "count takes 1 argument(s), not 0"),
        ("join(x)", "join takes 2 argument(s), not 1"),
    ],
)
def test_error_names_wrong_shape_or_number_of_arguments(text: str, message: str) -> None:
    assert rejection(text) == message


def test_error_on_unknown_name_suggests_the_nearest_valid_name() -> None:
    signals = {"dirt_in_pan": Signal(), "brush_speed": Signal()}
    for text, message in (
        ("dirt_in_pam", "unknown name 'dirt_in_pam'; did you mean 'dirt_in_pan'?"),
        ("zzz", "unknown name 'zzz'; valid: brush_speed, dirt_in_pan"),
        ("cnt(brush_speed)", "unknown function 'cnt'; did you mean 'count'?"),
    ):
        with pytest.raises(SceneError) as error:
            Formula(text, signals, WHERE)
        assert str(error.value) == f"{WHERE}: {message}"


def test_error_on_replicate_without_separator_names_the_attribute() -> None:
    with pytest.raises(
        SceneError, match="""give the <replicate> of 'dirt' the attribute sep="-"$"""
    ):
        Formula("sum(dirt)", {"dirt0": Signal(), "dirt1": Signal()}, WHERE)


def test_functions_of_a_name_accept_known_names_only() -> None:
    signals = {"gain(clean)": Signal(), "effort": Signal()}
    formula = Formula("10 * gain(clean) - effort", signals, WHERE, functions=("gain",))
    batch = Inputs({k: np.full((1, 1, 1), 2.0) for k in signals}, {}, [], True, DT)
    assert formula(batch, 1).tolist() == [18]
    for text, message in (
        ("gain(claen)", "gain(claen): unknown 'claen'; did you mean 'clean'?"),
        ("gain(1 + 1)", "gain(1 + 1): unknown '1 + 1'; valid: clean"),
        ("gain()", "gain takes 1 argument(s), not 0"),
    ):
        with pytest.raises(SceneError) as error:
            Formula(text, signals, WHERE, functions=("gain",))
        assert str(error.value) == f"{WHERE}: {message}"
