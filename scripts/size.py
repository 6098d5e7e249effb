"""Counts the package's files and lines of code, and fails when they pass [tool.borgpull.size] of pyproject.toml.

A line of code holds more than a comment or a docstring: leaving these out gains nothing.
"""

import ast
import io
import sys
import tokenize
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Print each number beside its limit; return 1 when one is passed."""
    limits = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["borgpull"]["size"]
    files = sorted((ROOT / "borgpull").rglob("*.py"))
    sizes = {"files": len(files), "lines": sum(code_lines(file.read_text(encoding="utf-8")) for file in files)}
    for name, size in sizes.items():
        print(f"{size} {name} of the package, at most {limits[name]}")
    passed = [name for name, size in sizes.items() if size > limits[name]]
    if passed:
        print(f"error: too many {' and '.join(passed)}: make room first, or raise [tool.borgpull.size] and say why")
    return int(bool(passed))


def code_lines(source: str) -> int:
    """Count the lines of `source` that hold code."""
    lines = source.splitlines()
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            held.update(range(token.start[0], token.end[0] + 1))
    return sum(bool(lines[number - 1].strip()) for number in held - _docstring_lines(source))


def _docstring_lines(source: str) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            found.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return found


if __name__ == "__main__":
    sys.exit(main())
