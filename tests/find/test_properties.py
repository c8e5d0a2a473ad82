"""What holds of patterns and rewrites whatever the code."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from porter.find import SourceFile, find_in_python
from porter.find.pattern import compile_pattern, find_matches
from porter.model import Edit
from porter.plan.splice import splice
from porter.rulebook.operations import Rewrite

NAMES = st.sampled_from(["a", "bb", "self", "tensor"])
ATOMS = NAMES | st.integers(0, 99).map(str) | st.sampled_from(["'s'", '"t"', "None"])


def compound(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Bigger expressions of smaller ones, laid out in various ways."""
    gaps = st.sampled_from(["", " ", "  "])
    return st.one_of(
        st.builds("{}.{}".format, NAMES, NAMES),
        st.builds("({1}{0}{1})".format, parts, gaps),
        st.builds("{}({}{}, k={})".format, NAMES, gaps, parts, parts),
        st.builds("[{0},{2}{1}]".format, parts, parts, gaps),
        st.builds("({} + {})".format, parts, parts),
        st.builds("({} if {} else {})".format, parts, parts, parts),
        st.builds("(\n    {},  # why\n    {})".format, parts, parts),
        st.builds("{{'k': {}}}".format, parts),
        st.builds("(lambda q: {})".format, parts),
    )


EXPRESSIONS = st.recursive(ATOMS, compound, max_leaves=8)


def source(code: str) -> SourceFile:
    return SourceFile("mmengine/code.py", code.encode())


def rewritten(operation: Rewrite, code: str) -> str:
    edits = [
        Edit("", "", change.start, change.end, change.new.encode(), "")
        for found in find_in_python(operation, source(code))
        for change in found.changes
    ]
    return splice(code.encode(), edits).decode()


def meaning(code: str) -> str:
    return ast.dump(ast.parse(code))


@given(EXPRESSIONS)
def test_code_matches_itself_as_a_pattern(code: str) -> None:
    matches = list(find_matches(compile_pattern(code), source(f"x = {code}\n")))
    assert any(True for _ in matches)


@given(EXPRESSIONS)
def test_layout_does_not_change_what_matches(code: str) -> None:
    plain = ast.unparse(ast.parse(code, mode="eval"))
    assert list(find_matches(compile_pattern(plain), source(f"x = {code}\n")))


@given(EXPRESSIONS, EXPRESSIONS)
def test_a_metavariable_captures_any_expression(left: str, right: str) -> None:
    code = f"target({left}, {right})\n"
    (match,) = find_matches(compile_pattern("target($A, $B)"), source(code))
    texts = {name: source(code).text(span) for name, span in match.captures.items()}
    assert meaning(texts["A"]) == meaning(left)
    assert meaning(texts["B"]) == meaning(right)


@given(EXPRESSIONS, EXPRESSIONS, st.sampled_from(["", "    ", "\t"]))
def test_a_rewrite_means_what_it_says(left: str, right: str, indent: str) -> None:
    head = "if x:\n" if indent else ""
    code = f"{head}{indent}y = target({left}, {right})  # stays\n"
    operation = Rewrite(match="target($A, $B)", replace="new($B, target.old, k=$A)")
    after = rewritten(operation, code)
    expected = f"{head}{indent}y = new({right}, target.old, k={left})\n"
    assert meaning(after) == meaning(expected)
    assert after.endswith("  # stays\n")


@given(EXPRESSIONS, EXPRESSIONS)
def test_what_a_rewrite_keeps_it_keeps_to_the_byte(left: str, right: str) -> None:
    code = f"target({left},\n       {right},)\n"
    after = rewritten(Rewrite(match="target($$$A)", replace="new(target)($$$A)"), code)
    assert after == code.replace("target", "new(target)", 1)


@given(EXPRESSIONS)
def test_code_around_a_match_stays(code: str) -> None:
    text = f"before = {code}\ntarget(1)\nafter = {code}\n"
    after = rewritten(Rewrite(match="target($X)", replace="new($X)"), text)
    assert after == text.replace("target", "new")
