"""The house rules, asserted on the source itself: sizes, who imports whom, what ships, what stays out."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sharpen"
SOURCES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"torch", "transformers", "peft", "accelerate", "datasets", "trl", "vllm", "ray"}

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
BUDGETS = {"types.py": 200, "verbs.py": 200, "run.py": 250, "improve.py": 150, "methods/vista.py": 80}
METHOD_BUDGET = 120

# What a module may import of this package, and what only under TYPE_CHECKING.
BASE = {"types", "examples", "errors"}
ANSWERS = BASE | {"grading"}
SCORERS = BASE | {"verbs", "views", "answers", "grading", "scorers"}
METHODS = BASE | {"verbs", "views", "scorers", "steps"}
LAYERS: dict[str, tuple[set[str], set[str]]] = {
    "types": (set(), set()),
    "errors": (set(), set()),
    "examples": ({"types"}, set()),
    "verbs": (BASE, set()),
    "views": (BASE, set()),
    "answers": (ANSWERS, set()),
    "grading": (ANSWERS, set()),
    "scorers": (SCORERS, {"run"}),
    "steps": (BASE | {"verbs", "views", "scorers"}, {"run"}),
    "methods": (METHODS | {"methods"}, {"run"}),  # a variant builds on the method it varies
    "strategies": (METHODS, {"run"}),
    "probes": (METHODS | {"probes", "statistics", "worlds"}, {"run"}),
}

# Words by which a model family is known. The tiny model is of one: the two files that make it may say which.
TINY = {"worlds/tiny.py", "worlds/lexicon.py"}
FAMILIES = re.compile(
    "llava|qwen|siglip|internvl|smolvlm|idefics|gemma|pixtral|mllama|molmo|minicpm|phi3_v", re.IGNORECASE
)


@dataclass(frozen=True)
class Import:
    """One imported module, by absolute dotted name."""

    name: str
    line: int
    typing_only: bool

    @property
    def top(self) -> str:
        return self.name.split(".")[0]

    @property
    def part(self) -> str:
        """The first name below `sharpen`: `scorers` for `sharpen.scorers.correct`."""
        return (*self.name.split("."), "")[1]


def path_of(source: Path) -> str:
    return source.relative_to(PACKAGE).as_posix()


def part_of(source: Path) -> str:
    return source.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def tree_of(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"), str(source))


def lines_of(source: Path) -> int:
    return len(source.read_text(encoding="utf-8").splitlines())


def is_module(dotted: str) -> bool:
    place = ROOT.joinpath(*dotted.split("."))
    return place.with_suffix(".py").exists() or place.is_dir()


def imports(source: Path) -> list[Import]:
    """All imports of a file, those inside functions too; `from . import x` means the module x if it is."""
    tree = tree_of(source)
    package = source.relative_to(ROOT).parent.parts
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found: list[Import] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            inner = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if is_module(name) else module for name in inner]
        else:
            continue
        found += [Import(name, node.lineno, id(node) in guarded) for name in names]
    return found


def each_source(*places: str) -> list[Path]:
    """The sources under these files and folders of sharpen/."""
    return [s for s in SOURCES if any(path_of(s) == p or path_of(s).startswith(f"{p}/") for p in places)]


def modules(folder: str) -> list[Path]:
    return [s for s in each_source(folder) if s.stem != "__init__"]


@cache
def repository_files() -> list[Path]:
    """Tracked files and new ones that are not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[Requirement]:
    """Every direct dependency, of the package and of its extras."""
    project = pyproject()["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for lines in lists for line in lines]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): version for name, version in pins}


# --- sizes ---------------------------------------------------------------------------------------


def test_the_package_is_found() -> None:
    assert {"types.py", "verbs.py", "run.py", "methods/vista.py", "methods/rest_em.py"} <= {path_of(s) for s in SOURCES}


def test_every_budgeted_file_exists() -> None:
    assert [name for name in BUDGETS if not (PACKAGE / name).exists()] == []


@pytest.mark.parametrize("source", SOURCES, ids=path_of)
def test_a_file_fits_its_budget(source: Path) -> None:
    method = part_of(source) == "methods" and source.stem != "__init__"
    most = BUDGETS.get(path_of(source), METHOD_BUDGET if method else MOST_LINES)
    assert lines_of(source) <= most, f"{path_of(source)} has {lines_of(source)} lines, at most {most}"


@pytest.mark.parametrize("source", SOURCES, ids=path_of)
def test_functions_are_short(source: Path) -> None:
    functions = [n for n in ast.walk(tree_of(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    sizes = {f"{f.name}, line {f.lineno}": (f.end_lineno or f.lineno) - f.lineno + 1 for f in functions}
    assert {name: size for name, size in sizes.items() if size > MOST_FUNCTION_LINES} == {}


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "misc"}
    assert [path_of(s) for s in SOURCES if drawers & set(s.relative_to(PACKAGE).with_suffix("").parts)] == []


# --- who imports whom ----------------------------------------------------------------------------


def strangers(source: Path) -> Iterator[str]:
    """Imports of a file that its layer does not allow."""
    allowed, typing_only = LAYERS[part_of(source)]
    for found in imports(source):
        if found.top != "sharpen":
            continue
        if found.part in allowed or (found.typing_only and found.part in typing_only):
            continue
        yield f"line {found.line}: {found.name}"


@pytest.mark.parametrize("source", [s for s in SOURCES if part_of(s) in LAYERS], ids=path_of)
def test_a_layer_imports_only_what_lies_below(source: Path) -> None:
    assert list(strangers(source)) == []


@pytest.mark.parametrize("source", [s for s in SOURCES if part_of(s) in LAYERS], ids=path_of)
def test_the_algorithm_layer_imports_no_deep_learning(source: Path) -> None:
    assert [f"line {i.line}: {i.name}" for i in imports(source) if i.top in HEAVY] == []


@pytest.mark.parametrize("source", each_source("run.py", "improve.py"), ids=path_of)
def test_the_driver_knows_the_model_protocol_only(source: Path) -> None:
    backends = [i for i in imports(source) if i.part == "models" and i.name != "sharpen.models.model"]
    assert [f"line {i.line}: {i.name}" for i in backends] == []


@pytest.mark.parametrize("source", each_source("train", "models"), ids=path_of)
def test_trainer_and_models_know_no_method_and_no_scorer(source: Path) -> None:
    assert [f"line {i.line}: {i.name}" for i in imports(source) if i.part in {"methods", "scorers"}] == []


@pytest.mark.parametrize("source", SOURCES, ids=path_of)
def test_only_families_know_a_family(source: Path) -> None:
    # A benchmark's published figure names the model it is of.
    if path_of(source).startswith(("models/families/", "benchmarks/")) or path_of(source) in TINY:
        return
    lines = enumerate(source.read_text(encoding="utf-8").splitlines(), 1)
    assert [f"line {at}: {line.strip()}" for at, line in lines if FAMILIES.search(line)] == []


@pytest.mark.parametrize("module", ["sharpen", *sorted(LAYERS)])
def test_importing_an_algorithm_takes_no_deep_learning(module: str) -> None:
    """In a fresh process, with all modules below the package imported as well."""
    files = SOURCES if module == "sharpen" else each_source(module, f"{module}.py")
    if not files:
        pytest.skip(f"there is no sharpen/{module} yet")
    names = ["sharpen"] if module == "sharpen" else [dotted(s) for s in files]
    code = (
        "import importlib, json, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(json.dumps(sorted({HEAVY!r} & set(sys.modules))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == []


def dotted(source: Path) -> str:
    return ".".join(source.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


# --- what may not be there -----------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES, ids=path_of)
def test_nothing_is_unpickled_or_evaluated(source: Path) -> None:
    loaders = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    found = [f"line {i.line}: {i.name}" for i in imports(source) if i.top in loaders]
    for node in ast.walk(tree_of(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}:
            found.append(f"line {node.lineno}: {node.func.id}(...)")
    assert found == []


def test_no_path_of_one_machine() -> None:
    # Written in pieces, so that this file does not match.
    pattern = re.compile(
        r"(?<![\w.])/(" + "|".join(["wo" + "rk", "ro" + "ot", "opt/wh" + "eels", "opt/py" + "pi"]) + ")/?\\b"
    )
    beside = re.compile(r"\.\./" + r"shared\b")
    found: list[str] = []
    for file in repository_files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for at, line in enumerate(text.splitlines(), 1):
            if pattern.search(line) or beside.search(line):
                found.append(f"{file.relative_to(ROOT)}:{at}: {line.strip()[:100]}")
    assert found == []


# --- what must be there --------------------------------------------------------------------------


@pytest.mark.parametrize("method", modules("methods"), ids=lambda s: s.stem)
def test_every_method_has_its_test(method: Path) -> None:
    assert (ROOT / "tests" / "methods" / f"test_{method.stem}.py").exists()


def test_every_direct_dependency_is_pinned_within_its_range() -> None:
    pins = constraints()
    missing = {r.name for r in requirements() if normal(r.name) not in pins} - {"vllm"}  # brings its own torch
    assert missing == set()
    wrong = {f"{r} but {pins[normal(r.name)]}" for r in requirements() if r.name != "vllm" and not fits(r, pins)}
    assert wrong == set()


def fits(requirement: Requirement, pins: dict[str, str]) -> bool:
    return requirement.specifier.contains(pins[normal(requirement.name)])


def test_every_import_is_a_declared_dependency() -> None:
    """A package that only comes along with another one may go away with its next version."""
    homes = packages_distributions()
    declared = {normal(r.name) for r in requirements()}
    ours = {*sys.stdlib_module_names, "sharpen"}
    found = {i.top: path_of(s) for s in SOURCES for i in imports(s) if i.top not in ours}
    assert {n: at for n, at in found.items() if not declared & {normal(d) for d in homes.get(n, [n])}} == {}


def test_every_direct_dependency_is_justified() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [r.name for r in requirements() if f"`{r.name}`" not in text] == []


def test_worlds_without_tensors_are_checked_strictly() -> None:
    plain = [s for s in each_source("worlds") if not HEAVY & {i.top for i in imports(s)}]
    assert {f"sharpen/{path_of(s)}" for s in plain} - set(pyproject()["tool"]["pyright"]["strict"]) == set()
