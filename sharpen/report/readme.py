"""The generated parts of the README: `python -m sharpen.report.readme` writes them, a test keeps them true."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from inspect import getsource
from pathlib import Path

from .. import methods
from ..methods.vista import Vista
from ..models import families
from ..steps import prefixes

README = Path(__file__).parent.parent.parent / "README.md"


def method_table() -> str:
    """Return one row per method: name, what it does, settings with their defaults."""
    rows = ["| method | what it does |", "|---|---|"]
    rows += [f"| [`{name}`](sharpen/methods/{name}.py) | {methods.summary(name)} |" for name in methods.names()]
    return "\n".join(rows)


def vista() -> str:
    """Return VISTA as it stands in its file, and the search for prefixes, without docstrings."""
    return "```python\n" + "\n\n\n".join([bodies(getsource(Vista)), bodies(getsource(prefixes))]) + "\n```"


def bodies(source: str) -> str:
    """Return the functions of a source but for those Python calls itself, without docstrings and indent."""
    lines = source.splitlines()
    indent = "    " if source.startswith(("class", "@")) else ""
    body: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and not (node.name.startswith("__") or node.decorator_list):
            first, doc = node.lineno - 1, node.body[0]
            body += [*lines[first : doc.lineno - 1], *lines[(doc.end_lineno or doc.lineno) : node.end_lineno], "", ""]
    return "\n".join(line.removeprefix(indent) for line in body).strip()


def family_table() -> str:
    """Return one row per family of models."""
    rows = ["| `model_type` | family |", "|---|---|"]
    return "\n".join(
        [*rows, *(f"| [`{n}`](sharpen/models/families/{n}.py) | {families.summary(n)} |" for n in families.names())]
    )


PARTS: dict[str, Callable[[], str]] = {"vista": vista, "methods": method_table, "families": family_table}


def generated(text: str, parts: Mapping[str, Callable[[], str]] = PARTS) -> str:
    """Return a page, the README unless other parts are given, with its generated parts made anew."""
    for name, make in parts.items():
        marks = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        made = make().replace("\\", r"\\")
        text = marks.sub(rf"\g<1>{made}\n\g<2>", text)
    return text


if __name__ == "__main__":
    README.write_text(generated(README.read_text()))
