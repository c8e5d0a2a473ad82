"""mmcv's operators: what is compiled together, and what a build leaves behind. No torch needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import pytest

from porter.errors import CouldNotRun
from porter.source.cache import Cache
from porter.verify.ops import build_ops
from porter.verify.ops.compilers import MEMORY, free_memory, how_many
from porter.verify.ops.recipe import make_recipe
from porter.verify.ops.sources import Source, read_headers, read_sources, scan
from porter.verify.ops.units import Unit, clash, plan_units
from porter.verify.watch import Silent
from tests.helpers import hear_interrupts

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Python:
    """A Python to build for, as the builder is told of it."""

    executable: Path
    torch: str
    torch_folder: Path
    python_include: Path
    ext_suffix: str = ".so"
    cxx11_abi: bool = True


class Told:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []

    def begin(self, stage: str, total: int = 0) -> None:
        self.lines.append(("begin", total))

    def advance(self, stage: str, done: int, note: str = "") -> None:
        self.lines.append(("advance", done, note))

    def end(self, stage: str, outcome: str = "") -> None:
        self.lines.append(("end", outcome))


# --- what a file says ---------------------------------------------------------------------

DEFINES = {
    "function": ("int f(int a) { g(a); return 0; }", {"f"}),
    "prototype": ("int f(int a = 1);", set()),
    "template": ("template <typename T>\nT f(const T* x) { return *x; }", {"f"}),
    "method": ("void A::f() const { }", {"f"}),
    "struct": ("struct A { int b; void f() { } };", {"A"}),
    "template struct": ("template <class T> struct A { T b; };", {"A"}),
    "forward": ("struct A;\nextern int x;", set()),
    "variable": ("static std::vector<int> x;", {"x"}),
    "constant": ("const int x = f(1), y = 2;", {"x"}),
    "table": ("static int x[] = {1, 2};", {"x"}),
    "using": ("using a::B;\nusing C = std::vector<int>;", {"B", "C"}),
    "typedef": ("typedef int A;", {"A"}),
    "anonymous namespace": ("namespace {\nint f() { }\n}\nint g() { }", {"f", "g"}),
    "extern C": ('extern "C" {\nint f() { }\n}', {"f"}),
    "call of a macro": ("REGISTER(f, CPU, g);", set()),
    "macro before a function": ("DECLARE(f)\nint g() { }", {"DECLARE", "g"}),
    "comment and string": ('// int f() { }\n/* int g() { } */ const char* s = "h() {";', {"s"}),
    "other device": ("#ifdef MMCV_WITH_CUDA\nint f() { }\n#else\nint g() { }\n#endif", {"g"}),
    "no other device": ("#ifndef MMCV_WITH_CUDA\nint f() { }\n#endif", {"f"}),
    "other condition": ("#ifdef _WIN32\nint f() { }\n#else\nint g() { }\n#endif", {"f", "g"}),
    "nested": (
        "#ifdef MMCV_WITH_HIP\n#if X\nint f() { }\n#else\nint g() { }\n#endif\n#endif",
        set(),
    ),
}


@pytest.mark.parametrize(("code", "names"), DEFINES.values(), ids=DEFINES)
def test_what_a_file_defines(code: str, names: set[str]) -> None:
    assert scan("a.cpp", code.encode()).defines == names


def test_macros_that_a_file_takes_back_are_not_left() -> None:
    code = "#define A(x) \\\n  x\n#ifndef B\n# define B 1\n#endif\n#undef A\n"
    assert scan("a.cpp", code.encode()).macros == ("B",)


def test_what_is_opened_asked_for_and_dispatched() -> None:
    code = "#include <torch/script.h>\n#include <queue>\nusing namespace std;\n"
    found = scan("a.cpp", code.encode())
    assert (found.opens, found.headers, found.binds) == ({"std"}, {"torch/script.h"}, False)
    assert scan("b.cpp", b"PYBIND11_MODULE(NAME, m) { }").binds
    assert scan("c.cpp", b'void f() { AT_DISPATCH_ALL(x.type(), "f", [] {}); }').old_dispatch
    assert not scan(
        "c.cpp", b'void f() { AT_DISPATCH_ALL(x.scalar_type(), "f", [] {}); }'
    ).old_dispatch


# --- what is compiled together ------------------------------------------------------------


def source(name: str, code: str) -> Source:
    return scan(name, code.encode())


def test_names_that_meet_are_kept_apart() -> None:
    kernel = source("cpu/a.cpp", "template <class T> T add(T x) { }")
    same = source("cpu/b.cpp", "int add(int x) { }")
    uses = source("c.cpp", "int f() { return add(1); }")
    assert clash(kernel, same)
    assert clash(uses, kernel), "it would now call the other file's function"
    assert not clash(uses, source("d.cpp", "int g() { }"))


def test_the_plan_holds_every_file_once_and_does_not_depend_on_order() -> None:
    sources = [source(f"{i}.cpp", f"int f{i % 7}() {{ }}" + " " * i * 10) for i in range(40)]
    units = plan_units(sources)
    assert sorted(s.name for u in units for s in u.sources) == sorted(s.name for s in sources)
    assert plan_units(sources[::-1]) == units
    for unit in units:
        assert not any(clash(a, b) for a, b in combinations(unit.sources, 2))
    assert len(units) >= 6, "f0 is defined six times"


def test_bindings_come_first_and_alone() -> None:
    binding = source("pytorch/pybind.cpp", "PYBIND11_MODULE(N, m) { }")
    units = plan_units([source("a.cpp", "int f() { }"), binding])
    assert [unit.sources[0].name for unit in units] == ["pytorch/pybind.cpp", "a.cpp"]
    assert [unit.optimization for unit in units] == ["-O1", "-O2"]


def test_what_a_file_would_leave_to_others_ends_with_it() -> None:
    opener = source("a.cpp", "using namespace std;\nint f() { }")
    macros = source("b.cpp", "#define min(a, b) a\nint g() { }")
    [unit] = plan_units([opener, macros, source("c.cpp", "int h() { }")], units=1)
    assert unit.text.splitlines() == [
        '#include "b.cpp"',
        "#undef min",
        '#include "c.cpp"',
        '#include "a.cpp"',
    ]
    assert clash(opener, source("d.cpp", "using namespace std;"))


# --- a build with a compiler made of shell lines ------------------------------------------

#: Writes what is named after -o, and fails on what the first argument of the script names.
WRITES = 'while [ "$1" != -o ]; do shift; done\necho built > "$2"'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with three operators and their bindings."""
    csrc = tmp_path / "tree" / "mmcv" / "ops" / "csrc"
    files = {
        "pytorch/pybind.cpp": "PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { }\n",
        "pytorch/nms.cpp": '#include "helper.hpp"\nint nms() { }\n',
        "pytorch/roi.cpp": "int roi() { }\n",
        "pytorch/cpu/nms.cpp": "int nms_cpu() { }\n",
        "pytorch/cuda/nms.cpp": "not compiled\n",
        "pytorch/nms.cu": "not compiled\n",
        "common/helper.hpp": "#pragma once\n",
        "common/cuda/helper.hpp": "not included\n",
        "common/utils/deep/er.h": "#pragma once\n",
    }
    for name, text in files.items():
        (csrc / name).parent.mkdir(parents=True, exist_ok=True)
        (csrc / name).write_text(text, encoding="utf-8")
    return tmp_path / "tree"


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """A Python that can load any module."""
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "Python.h").touch()
    return Python(script(folder / "python", "exit 0"), "2.13.0+cpu", folder / "torch", folder)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A compiler made of shell lines; its calls are counted in a file beside it."""

    def make(lines: str, version: str = "fake 1.0") -> Path:
        counted = (
            f'[ "$1" = --version ] && {{ echo "{version}"; exit; }}\necho "$*" >> {tmp_path}/calls'
        )
        path = script(tmp_path / "compiler", f"{counted}\n{lines}")
        monkeypatch.setenv("CXX", str(path))
        return path

    return make


def script(path: Path, lines: str) -> Path:
    path.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text(encoding="utf-8").splitlines()


def test_only_what_upstream_compiles_for_a_cpu(tree: Path) -> None:
    csrc = tree / "mmcv/ops/csrc"
    assert [source.name for source in read_sources(csrc)] == [
        "pytorch/cpu/nms.cpp",
        "pytorch/nms.cpp",
        "pytorch/pybind.cpp",
        "pytorch/roi.cpp",
    ]
    assert [path.name for path in read_headers(csrc)] == ["helper.hpp", "er.h"]


def test_it_is_built_once(
    tree: Path, python: Python, cache: Cache, compiler: Callable[[str], Path], tmp_path: Path
) -> None:
    compiler(WRITES)
    told = Told()
    home = build_ops(tree, python, cache, told)
    assert [path.name for path in home.iterdir()] == ["_ext.so"]
    assert [path.name for path in (cache.root / "ops").iterdir()] == [home.name]
    assert told.lines[0] == ("begin", 4)
    assert [line[1] for line in told.lines if line[0] == "advance"][-1] == 4
    assert str(told.lines[-1][1]).startswith("built in")
    before = calls(tmp_path)
    assert len([call for call in before if " -c " in call]) == 4
    again = Told()
    assert build_ops(tree, python, cache, again) == home
    assert again.lines == [("begin", 4), ("end", "from the cache")]
    assert calls(tmp_path) == before


def test_the_name_tells_apart_what_would_differ(
    tree: Path, python: Python, compiler: Callable[..., Path]
) -> None:
    def name(python: Python = python) -> str:
        return make_recipe(tree, python).name

    def write(path: str, text: str) -> str:
        (tree / "mmcv/ops/csrc" / path).write_text(text, encoding="utf-8")
        return name()

    compiler(WRITES)
    names = [
        name(),
        name(replace(python, torch="2.12.0")),
        name(replace(python, torch_folder=python.torch_folder / "other")),
        name(replace(python, ext_suffix=".abi3.so")),
        name(replace(python, cxx11_abi=False)),
        write("common/helper.hpp", "#pragma once\nint x;\n"),
        write("common/utils/deep/er.h", "#pragma once\nint x;\n"),
        write("pytorch/cpu/nms.cpp", "int nms_cpu() { return 1; }\n"),
        write("pytorch/roi2.cpp", "int roi2() { }\n"),
    ]
    compiler(WRITES, "fake 2.0")
    names.append(name())
    assert len(set(names)) == len(names)
    assert name() == names[-1]
    assert write("common/cuda/helper.hpp", "changed, and not used") == names[-1]


def test_the_same_files_elsewhere_have_the_same_name(
    tree: Path, python: Python, compiler: Callable[[str], Path], tmp_path: Path
) -> None:
    compiler(WRITES)
    name = make_recipe(tree, python).name
    tree.rename(tmp_path / "moved")
    assert make_recipe(tmp_path / "moved", python).name == name


def test_a_failing_file_is_named_and_leaves_nothing(
    tree: Path, python: Python, cache: Cache, compiler: Callable[[str], Path], tmp_path: Path
) -> None:
    compiler(
        f'case "$*" in *pytorch-nms.cpp*|*part-*) seq 40 | sed "s/^/line /" >&2; exit 3;; esac\n{WRITES}'
    )
    csrc = tree / "mmcv/ops/csrc/pytorch"
    for name in ("nms", "roi"):  # together in a unit, as there are more files than units
        for number in range(6):
            (csrc / f"{name}{number}.cpp").write_text(f"int {name}{number}() {{ }}\n")
    with pytest.raises(CouldNotRun, match=r"ended with 3 on pytorch/nms\.cpp\n") as caught:
        build_ops(tree, python, cache, Silent())
    assert "line 40" in caught.value.message
    assert "line 20\n" not in caught.value.message
    assert list((cache.root / "ops").iterdir()) == []


def test_a_unit_that_does_not_compile_is_done_file_by_file(
    tree: Path, python: Python, cache: Cache, compiler: Callable[[str], Path], tmp_path: Path
) -> None:
    for number in range(8):
        (tree / f"mmcv/ops/csrc/pytorch/x{number}.cpp").write_text(f"int x{number}() {{ }}\n")
    compiler(f'case "$*" in *part-1.cpp*) exit 1;; esac\n{WRITES}')
    told = Told()
    build_ops(tree, python, cache, told)
    assert [line[1] for line in told.lines if line[0] == "advance"][-1] == 12
    link = calls(tmp_path)[-1]
    first = plan_units(read_sources(tree / "mmcv/ops/csrc"))[1]
    assert len(first.sources) > 1
    for part in first.sources:
        assert part.name.replace("/", "-").replace(".cpp", ".o") in link
    assert "part-1.o" not in link
    assert "part-2.o" in link


def test_a_module_that_cannot_be_loaded_is_not_kept(
    tree: Path, python: Python, cache: Cache, compiler: Callable[[str], Path]
) -> None:
    compiler(WRITES)
    script(python.executable, "echo 'ImportError: undefined symbol: xyz' >&2; exit 1")
    with pytest.raises(CouldNotRun, match="cannot load them\nImportError: undefined symbol"):
        build_ops(tree, python, cache, Silent())
    assert list((cache.root / "ops").iterdir()) == []


def test_a_failed_link_is_told(
    tree: Path, python: Python, cache: Cache, compiler: Callable[[str], Path]
) -> None:
    compiler(f'case "$*" in *-shared*) echo no -lc10 >&2; exit 1;; esac\n{WRITES}')
    with pytest.raises(CouldNotRun, match=r"cannot be linked: .* ended with 1\nno -lc10"):
        build_ops(tree, python, cache, Silent())


def test_a_killed_compiler_hints_at_memory(
    tree: Path, python: Python, cache: Cache, compiler: Callable[[str], Path]
) -> None:
    compiler("kill -KILL $$")
    with pytest.raises(CouldNotRun) as caught:
        build_ops(tree, python, cache, Silent())
    assert "memory" in caught.value.hint


def test_no_compiler_says_what_to_install(
    tree: Path, python: Python, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CouldNotRun, match="mmcv's operator module has to be compiled") as caught:
        build_ops(tree, python, cache, Silent())
    assert "g++" in caught.value.hint


def test_no_python_headers_says_what_to_install(tree: Path, python: Python, cache: Cache) -> None:
    (python.python_include / "Python.h").unlink()
    with pytest.raises(CouldNotRun, match=r"has no Python\.h") as caught:
        build_ops(tree, python, cache, Silent())
    assert "python3-dev" in caught.value.hint


def test_a_tree_without_sources_is_refused(tmp_path: Path, python: Python, cache: Cache) -> None:
    with pytest.raises(CouldNotRun, match="has no operators to compile"):
        build_ops(tmp_path, python, cache, Silent())


# --- interrupted, and at once -------------------------------------------------------------


def start(tree: Path, python: Python, cache: Cache) -> subprocess.Popen[str]:
    """A build in a process of its own."""
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.verify.test_ops import Python, Cache, Silent, build_ops\n"
        "tree, executable, folder, cache = map(Path, sys.argv[1:])\n"
        "python = Python(executable, '2.13.0+cpu', folder / 'torch', folder)\n"
        "print(build_ops(tree, python, Cache(cache), Silent()))"
    )
    words = (tree, python.executable, python.python_include, cache.root)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_those_who_ask_at_once_share_one_build(
    tree: Path, python: Python, cache: Cache, compiler: Callable[[str], Path], tmp_path: Path
) -> None:
    compiler(f"sleep 0.3\n{WRITES}")
    runs = [start(tree, python, cache) for _ in range(2)]
    answers = {run.communicate()[0] for run in runs}
    assert len(answers) == 1
    assert (Path(answers.pop().strip()) / "_ext.so").is_file()
    assert len(calls(tmp_path)) == 5


def test_a_killed_build_is_built_again(
    tree: Path, python: Python, cache: Cache, compiler: Callable[[str], Path]
) -> None:
    compiler(f"{WRITES}\nsleep 3")
    run = start(tree, python, cache)
    wait_for(lambda: list(cache.root.glob("ops/*.part/*.o")))
    run.kill()
    run.communicate()
    assert list(cache.root.glob("ops/*.part"))
    assert not list(cache.root.glob("ops/*/_ext.so"))
    compiler(WRITES)
    home = build_ops(tree, python, cache, Silent())
    assert [path.name for path in (cache.root / "ops").iterdir()] == [home.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_the_compilers_end_too(
    number: signal.Signals,
    tree: Path,
    python: Python,
    cache: Cache,
    compiler: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    compiler(f"sh -c 'echo $$ >> {tmp_path}/children; sleep 60'\n{WRITES}")
    run = start(tree, python, cache)
    wait_for((tmp_path / "children").exists)
    run.send_signal(number)
    _, errors = run.communicate(timeout=30)
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in errors
        assert list((cache.root / "ops").iterdir()) == []
    pids = (tmp_path / "children").read_text(encoding="utf-8").split()
    wait_for(lambda: not any(is_running(int(pid)) for pid in pids))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


# --- how many at once ---------------------------------------------------------------------


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    8000000 kB\n")
    assert free_memory(meminfo, tmp_path) == 8_192_000_000
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert free_memory(meminfo, tmp_path) == 2000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(meminfo, tmp_path) == 8_192_000_000
    assert free_memory(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize(("memory", "jobs"), [(0, 1), (MEMORY * 2 + 1, 2), (None, 16)])
def test_compilers_at_once(memory: int | None, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("porter.verify.ops.compilers.free_memory", lambda: memory)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert how_many() == jobs


def test_a_unit_is_called_by_its_files() -> None:
    one, two = source("a.cpp", "int f() { }"), source("b.cpp", "int g() { }")
    assert Unit("u", (one,)).label == "a.cpp"
    assert Unit("u", (one, two)).label == "a.cpp and 1 more"
