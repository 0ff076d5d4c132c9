"""Hostile texts and numbers: formulas, observations, spawns, and what is none of these."""

import random
import re

from sandbox_envs.names import stem_of
from sandbox_envs.scene.scene import Scene

NUMBERS = [
    "inf", "-inf", "nan", "NaN", "infinity", "nan(1)", "1e308", "-1e308", "1e400", "1e-400",
    "1e30", "1e29", "-1e29", "1e-300", "-0", "-0.0", "0", "1", "2", "3", "5", "16", "0.5", "-1",
    "1e9", "2147483647", "2147483648", "-2147483649", "4294967297", "9223372036854775808", "0x10",
    "0x1p99", "0x1p1023", "-0x1p1000", "0X.8P+120", "1_000", "1K", "1M", "900g", "3T", "1e3M",
    "10e", "1,5", "1d5", "1e", "0x", "--1", "+1", "½", "٣", ".5", "5.", ".", "1e15", "1e6",
    "100000", "1000", "1e4", "360", "64",
]  # fmt: skip
NUMBERS += ["9" * 5000, "0." + "0" * 5000 + "1", "-" + "1" * 400, "1e" + "9" * 400]
TEXTS = [
    "", " ", "\t\n", "a" * 100_000, "1 " * 20_000, "é" * 50, "\u202eabc", "🐍", "\ufeff", "￿",
    "%s%n%x", "../../etc/passwd", "/dev/zero", "a\x7fb", "&amp;", "<mujoco/>", "]]>", "{0}",
    "__import__('os')", "world", "-0", "-1", "x-0-0", "(" * 300, "true", "false", "auto", "\u2028",
    "None", "a;b|c",
]  # fmt: skip
FOREIGN = [  # to the language of formulas
    "{0} % {1}", "{0}[{1}]", "{0}.real", "'{0}'", "{0} {1}", "lambda: {0}", "{0} if {1} else {2}",
    "({0}", "{0} and {1}", "not {0}", "{0} < {1} < {2}", "sum(*{0})", "f'{{{0}}}'", "[{0}]", "{0}#",
]  # fmt: skip
WORDS = [
    "mean", "sum", "min", "max", "abs", "sqrt", "exp", "clip", "count", "total", "ever", "since",
    "norm", "join", "gain", "level",
]  # fmt: skip


def known_texts(scene: Scene) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The texts of a scene, and the names that formulas, rewards and spawns may use."""
    model = scene.model
    sites = sorted({stem_of(model.site(i).name) for i in range(model.nsite)} - {""})
    measures = [f"{word}({measure})" for word in ("gain", "level") for measure in scene.measures]
    names = {"measure": [*scene.signals], "reward": measures, "spawn": sites}
    names["observe"] = [*scene.signals, *scene.measures]
    return dict(scene.texts), names


def text(rng: random.Random, key: str, known: dict[str, str], names: dict[str, list[str]]) -> str:
    """A text of some name, in the manner of those that are known."""
    kind = key.partition("/")[0]
    pool = sorted({w for text in known.values() for w in re.findall(r"[\w-]+", text)})
    if rng.random() < 0.7:
        pool = names.get(kind, pool)
    if rng.random() < 0.15:
        return rng.choice([*TEXTS, *NUMBERS])
    if rng.random() < 0.3:
        words = re.split(r"(\W)", known.get(key, "1"))
        words[rng.randrange(len(words))] = rng.choice([*NUMBERS, *pool, "", "(", ")", ",", " "])
        return "".join(words)
    if key.startswith(("measure/", "conserved/")) or key == "reward":
        return formula(rng, pool)
    if key == "observe":
        return " ".join(_term(rng, pool) for _ in range(rng.choice([1, 2, 5])))
    if key.startswith("spawn/"):
        return ", ".join(_clause(rng, pool) for _ in range(rng.choice([1, 1, 2, 3])))
    return " ".join(rng.choices([*NUMBERS, *pool], k=rng.choice([1, 1, 2, 3])))


def formula(rng: random.Random, names: list[str], depth: int = 0) -> str:
    """A formula, most often one of the right grammar."""
    if depth > rng.choice([0, 1, 3, 6]):
        named = rng.choices(names, k=6)
        return rng.choice([rng.choice(NUMBERS), *named, *(f"sum(norm({x}))" for x in named), "1"])
    one, other, third = (formula(rng, names, depth + 1) for _ in range(3))
    match rng.randrange(12):
        case 0 | 1 | 2 | 3:
            return f"({one}) {rng.choice(['+', '-', '*', '/', '**', '<', '==', '>='])} ({other})"
        case 4:
            return f"-{one}"
        case 5:
            return f"clip({one}, {other}, {third})"
        case 6:
            return f"join({one}, {other})"
        case 7:
            return rng.choice(FOREIGN).format(one, other, third)
    return f"{rng.choice(WORDS)}({one})"


def _term(rng: random.Random, names: list[str]) -> str:
    name, number = rng.choice(names), rng.choice([*NUMBERS, "1e999", "True", "-3", "None", "1j"])
    return rng.choice(
        [
            name,
            f"retina({number})",
            f"retina({name})",
            f"ranges({name})",
            f"gauge({name})",
            "clock",
            f"lidar({name}, sectors={number}, range={rng.choice(NUMBERS)})",
            f"lidar({name}, where={formula(rng, names, 4)}, sectors=8)",
            f"lidar({name}, sectors=8, sectors=9, **{name})",
        ]
    )


def _clause(rng: random.Random, names: list[str]) -> str:
    one, other, number = rng.choice(names), rng.choice(names), rng.choice(NUMBERS)
    return rng.choice(
        [
            one,
            f"{one} {number}",
            f"{one} outside {other}",
            f"{one} outside {other} {number}",
            f"yaw {number}",
            "yaw any",
            f"facing {one}",
            f"maze {one} {number} to {rng.choice(NUMBERS)}",
            f"labmaze {one} {rng.choice(['training', 'held-out', number])}",
            f"rim {one}",
        ]
    )
