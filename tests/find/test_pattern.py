"""What patterns match, by examples."""

from __future__ import annotations

import pytest

from porter.errors import RuleFileError
from porter.find.pattern import compile_pattern, find_matches, pattern_words
from porter.find.source import SourceFile


def matches(pattern: str, code: str, within: str = "") -> list[str]:
    source = SourceFile("mmengine/code.py", code.encode())
    return [
        source.text(match.span) for match in find_matches(compile_pattern(pattern), source, within)
    ]


def captures(pattern: str, code: str) -> dict[str, str]:
    source = SourceFile("mmengine/code.py", code.encode())
    match = next(iter(find_matches(compile_pattern(pattern), source)))
    return {name: source.text(span) for name, span in match.captures.items()}


@pytest.mark.parametrize(
    ("pattern", "code", "found"),
    [
        pytest.param("f($X)", "f(1); g(f(2))", ["f(1)", "f(2)"], id="one argument, nested calls too"),
        pytest.param("f($X)", "f(1, 2); f()", [], id="one is neither two nor none"),
        pytest.param("f($X)", "f(key=1)", [], id="one positional is not a keyword"),
        pytest.param("f($$$A)", "f(); f(1, k=2)", ["f()", "f(1, k=2)"], id="many is none or more"),
        pytest.param("f($A, $$$M, $Z)", "f(1, 2)\nf(1)", ["f(1, 2)"], id="many in the middle may be none"),
        pytest.param("f('a')", 'f("a")', ['f("a")'], id="quotes do not matter"),
        pytest.param("f(a, b)", "f(  a,\n   b,  # c\n )", ["f(  a,\n   b,  # c\n )"], id="layout does not matter"),
        pytest.param("a or\n    b", "x = a or b", ["a or b"], id="a pattern on two lines"),
        pytest.param("a or b", "(a) or ((b))", ["(a) or ((b))"], id="parentheses do not matter"),
        pytest.param("$X == $X", "a.b == a.b; a == b", ["a.b == a.b"], id="a name twice is the same code twice"),
        pytest.param("x.is_cuda", "y = x.is_cuda", ["x.is_cuda"], id="an attribute"),
        pytest.param("$X.is_cuda", "f(a.b.is_cuda)", ["a.b.is_cuda"], id="an attribute of anything"),
        pytest.param("f", "a.f; f", ["f"], id="a bare name is not an attribute"),
        pytest.param("f(1)", "# f(1)\n'f(1)'", [], id="comments and strings are not code"),
        pytest.param("a = $V", "a = 1\na: int = 1", ["a = 1"], id="an assignment is not an annotated one"),
        pytest.param("x = 1\ny = 2", "x = 1\ny = 2\nx = 1\nz = 3", ["x = 1\ny = 2"], id="statements in a row"),
        pytest.param("x = 1\ny = 2", "x = 1; y = 2", ["x = 1; y = 2"], id="a semicolon is a line break"),
        pytest.param("if $C:\n    $$$B", "if a: b\nelse: c", [], id="an if without else is not one with"),
        pytest.param("if $C:\n    $$$B", "if a:\n    b\n    c", ["if a:\n    b\n    c"], id="a whole body"),
        pytest.param("def f($$$P):\n    $$$B", "def f(a: int, *, b=1) -> str:\n    pass", ["def f(a: int, *, b=1) -> str:\n    pass"], id="any signature"),
        pytest.param("def f($$$P):\n    $$$B", "@d\ndef f():\n    pass", ["def f():\n    pass"], id="decorators may be left unsaid"),
        pytest.param("class C:\n    $$$B", "class C(D):\n    x = 1", ["class C(D):\n    x = 1"], id="bases may be left unsaid"),
        pytest.param("f'cuda:{$I}'", "a = f'cuda:{n}'", ["f'cuda:{n}'"], id="an f-string"),
    ],
)  # fmt: skip
def test_matches(pattern: str, code: str, found: list[str]) -> None:
    assert matches(pattern, code) == found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param("import torch\ntorch.cuda.f()", 1, id="imported plainly"),
        pytest.param("import torch as t\nt.cuda.f()", 1, id="imported under another name"),
        pytest.param("import torch.cuda\ntorch.cuda.f()", 1, id="imported by its submodule"),
        pytest.param("import torch.cuda as c\nc.f()", 1, id="submodule under another name"),
        pytest.param("from torch import cuda\ncuda.f()", 1, id="submodule from its package"),
        pytest.param("from torch.cuda import f\nf()", 1, id="the function itself"),
        pytest.param("from torch.cuda import f as g\ng()", 1, id="the function under another name"),
        pytest.param("def h(torch):\n    torch.cuda.f()", 0, id="a parameter of that name"),
        pytest.param("import torch\ndef h():\n    torch = x\n    torch.cuda.f()", 0, id="a local of that name"),
        pytest.param("import torch\ndef h():\n    torch.cuda.f()\n    for torch in x: pass", 0, id="local wherever it is bound"),
        pytest.param("import torch\ndef h():\n    global torch\n    torch.cuda.f()", 1, id="declared global"),
        pytest.param("import torch\nclass C:\n    torch = x\n    def h(self):\n        torch.cuda.f()", 1, id="a class attribute is not seen in a method"),
        pytest.param("import torch\nclass C:\n    torch = x\n    torch.cuda.f()", 0, id="but it is in the class body"),
        pytest.param("import torch\n[torch.cuda.f() for torch in x]", 0, id="bound by a comprehension"),
        pytest.param("import torch\n[y for torch in x]\ntorch.cuda.f()", 1, id="a comprehension's name stays inside"),
        pytest.param("import torch\nlambda torch: torch.cuda.f()", 0, id="bound by a lambda"),
        pytest.param("try:\n    import torch\nexcept E:\n    torch = None\ntorch.cuda.f()", 1, id="one of two bindings is the import"),
        pytest.param("def h():\n    import torch as t\n    t.cuda.f()", 1, id="imported in the function"),
        pytest.param("def h(x=torch.cuda.f()):\n    torch = 1", 1, id="a default belongs outside"),
        pytest.param("import tensorflow as torch\ntorch.cuda.f()", 0, id="another module under that name"),
        pytest.param("self.torch.cuda.f()", 0, id="an attribute of that name"),
    ],
)  # fmt: skip
def test_module_names_match_by_what_they_resolve_to(code: str, found: int) -> None:
    assert len(matches("torch.cuda.f()", code)) == found


def test_relative_imports_resolve_against_the_files_own_module() -> None:
    code = "from ..device import is_cuda_available as there\nthere()"
    source = SourceFile("mmengine/hooks/empty_cache_hook.py", code.encode())
    pattern = compile_pattern("mmengine.device.is_cuda_available()")
    assert [source.text(match.span) for match in find_matches(pattern, source)] == ["there()"]


def test_captures_are_the_codes_own_text() -> None:
    found = captures("g($A, $$$REST, key=$V)", "g( a . b,  c,\n  d, key = (1 + 2))")
    assert found == {"A": "a . b", "REST": "c,\n  d", "V": "(1 + 2)"}


@pytest.mark.parametrize(
    ("within", "found"),
    [
        pytest.param("", 3, id="anywhere"),
        pytest.param("C.m", 1, id="one method"),
        pytest.param("C", 1, id="a class"),
        pytest.param("C*", 2, id="a glob"),
        pytest.param("<module>", 1, id="module level"),
        pytest.param("m", 0, id="a method is not known by its bare name"),
    ],
)
def test_within(within: str, found: int) -> None:
    code = "f()\nclass C:\n    def m(self):\n        f()\nclass C2:\n    f()\n"
    assert len(matches("f()", code, within)) == found


def test_a_pattern_that_is_not_python_is_the_rules_fault() -> None:
    with pytest.raises(RuleFileError, match="is not Python"):
        compile_pattern("f(")


def test_words_are_those_that_any_match_must_have() -> None:
    assert pattern_words("torch.cuda.set_device($RANK, group='nccl')") == {
        "set_device",
        "group",
        "nccl",
    }
