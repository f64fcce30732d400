"""The repository's own source as data: modules and what they import, templates and what is in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("durable", "dashboard", "api", "config", "examples", "tests", "benchmarks")


@dataclass(frozen=True)
class Import:
    """One imported module, or name of a module: `durable.conf` or `durable.conf.conf`."""

    name: str
    line: int
    is_marked: bool
    """Whether `# up:` on the line gives the reason why it points up."""

    def is_of(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(package + ".") for package in packages)


@dataclass(frozen=True)
class Module:
    path: Path

    @cached_property
    def place(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def name(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> list[Import]:
        """Every import, also those inside functions and under TYPE_CHECKING, as absolute names."""
        return [found for node in ast.walk(self.tree) for found in self._imports_of(node)]

    def _imports_of(self, node: ast.AST) -> Iterator[Import]:
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            return
        marked = any("# up:" in line for line in self.lines[node.lineno - 1 : node.end_lineno])
        prefix = self._origin(node) + "." if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            yield Import(prefix + alias.name, node.lineno, marked)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
        base = package[: len(package) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


def modules(*folders: str) -> list[Module]:
    """The modules in `folders`, without migrations."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [Module(path) for path in paths if "migrations" not in path.parts]


def templates() -> list[Path]:
    folders = [ROOT / "templates", *(ROOT / folder for folder in OURS)]
    return sorted(path for folder in folders for path in folder.rglob("*.html"))


TEMPLATE_CODE = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
COMMENT = re.compile(r"{%\s*comment\b.*?{%\s*endcomment\s*%}|<!--.*?-->|{#.*?#}", re.DOTALL)


def markup(template: Path) -> str:
    """The template's HTML alone, so that no tag of Django's hides where an element ends."""
    return TEMPLATE_CODE.sub("", COMMENT.sub("", template.read_text()))
