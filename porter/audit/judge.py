"""What a site comes to on the target: its class, and why."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from porter.audit.code import Code, Guard, raises
from porter.audit.facts import Edited, Facts, op_of
from porter.audit.model import Class
from porter.audit.sites import Site
from porter.audit.truth import Truth

#: What of ``torch.cuda`` does nothing, and hurts nobody, where there is no CUDA.
QUIET = {
    "torch.cuda.manual_seed": "`torch.manual_seed` seeds a plugin's device",
    "torch.cuda.manual_seed_all": "`torch.manual_seed` seeds a plugin's device",
    "torch.cuda.seed_all": "without CUDA it does nothing",
    "torch.cuda.is_initialized": "it answers False",
    "torch.cuda.get_arch_list": "it answers with nothing",
    "torch.cuda.get_rng_state_all": "it answers with nothing",
}
#: What runs, but has less to say or do for the chip.
WEAK = {
    "torch.cuda.empty_cache": "it frees nothing of the chip's memory",
    "torch.cuda.memory_allocated": "it reports 0",
    "torch.cuda.max_memory_allocated": "it reports 0",
    "torch.cuda.memory_reserved": "it reports 0",
    "torch.cuda.max_memory_reserved": "it reports 0",
    "torch.cuda.memory_cached": "it reports 0",
    "torch.cuda.max_memory_cached": "it reports 0",
    "torch.cuda.memory_stats": "it reports nothing",
}
_PROBES = ("is_available", "is_cuda_available", "IS_CUDA_AVAILABLE", "is_bf16_supported")
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_CONFIGURED = re.compile(r"(dist|env)_(cfg|params)$")
_WORST = ("open", "fallback", "ported", "native", "harmless")
_PLACING = ("cuda-call", "device-string", "stream", "cuda-api", "tensor-type")
_CPU_OPS = frozenset(
    ("contour_expand", "pixel_group", "get_compiler_version", "get_compiling_cuda_version")
)


@dataclass(frozen=True)
class Verdict:
    """A class, the reason for it, and the rule that brought it about or would."""

    cls: Class
    reason: str
    rule: str = ""


class Judge:
    """Judges the sites of one file.

    Args:
        edited: The lines that rules wrote.
    """

    def __init__(self, code: Code, facts: Facts, edited: Sequence[Edited] = ()) -> None:
        self.code, self.facts, self.edited = code, facts, edited
        self.truth = Truth(code, facts)
        self._sites: list[Site] = []
        self._dead_functions: dict[str, bool] = {}

    def verdicts(self, sites: Sequence[Site]) -> list[Verdict]:
        """A verdict for each site."""
        self._sites = list(sites)
        return [self.verdict(site) for site in sites]

    def verdict(self, site: Site) -> Verdict:
        """The class of a site: what holds for its place first, then for its kind."""
        if site.kind == "mention":
            return Verdict("harmless", "a docstring; nothing runs it")
        if self.facts.cuda and site.kind not in ("op", "dtype", "dynamic-shape"):
            return Verdict("native", f"{self.facts.target} answers as `torch.cuda`")
        return self._placed(site) or self._by_kind(site)

    # The place

    def _placed(self, site: Site) -> Verdict | None:
        if self._in_annotation(site.node):
            return Verdict("harmless", "an annotation; `torch.cuda` has its types without CUDA too")
        guards = list(self.code.guards(site.node))
        dead = [self._dead(g) for g in guards if self._is_dead(g, guards)]
        if dead:
            return min(dead, key=lambda verdict: _WORST.index(verdict.cls))
        if site.kind in ("cuda-call", "cuda-api", "device-string", "is-cuda"):
            for function in self.code.functions(site.node):
                if function.name == "cuda":
                    return Verdict("harmless", "part of a method `cuda`, whose callers are judged")
        unused = self._unused_import(site)
        if unused:
            return unused
        uncalled = self._in_dead_function(site.node)
        if uncalled:
            return uncalled
        for guard in self.code.guards(site.node):
            if guard.test is None:
                verdict = self._tried(site, guard)
                if verdict:
                    return verdict
        return None

    def _is_dead(self, guard: Guard, guards: Sequence[Guard]) -> bool:
        """Whether a guard is never met on the target, by itself or with the others there.

        Below ``if on_chip and ready: ... elif ready:`` it must be that one of the two does not
        hold, and it is not ``ready``.
        """
        if self.truth.is_dead(guard):
            return True
        test = guard.test
        if guard.holds or not isinstance(test, ast.BoolOp) or not isinstance(test.op, ast.And):
            return False
        met = {ast.dump(g.test) for g in guards if g.test is not None and g.holds}
        return all(self.truth.of(v) is True or ast.dump(v) in met for v in test.values)

    def _dead(self, guard: Guard) -> Verdict:
        assert guard.test is not None
        test = _short(guard.test)
        branch = self._branch_beside(self.code.parents.get(guard.test))
        if branch is not None:
            return self._by(branch, f"another branch is for the target: `{_short(branch)}`")
        rule = self._rule_at(guard.test)
        if self.truth.asks_target(guard.test):
            if rule:
                return Verdict("ported", f"another branch is for the target: `{test}`", rule)
            return Verdict("native", f"another branch is for the target: `{test}`")
        if rule:
            return Verdict("ported", f"never reached on {self.facts.target}: `{test}`", rule)
        return Verdict("harmless", f"never reached on {self.facts.target}: `{test}`")

    def _unused_import(self, site: Site) -> Verdict | None:
        """One of several imports of a name, all uses of which are in branches not reached."""
        if site.kind != "amp" or not isinstance(site.node, ast.ImportFrom):
            return None
        names = [alias.asname or alias.name for alias in site.node.names]
        users = [user for name in names for user in self.code.references.get(name, [])]
        dead = [[g for g in self.code.guards(user) if self.truth.is_dead(g)] for user in users]
        if not users or not all(dead):
            return None
        verdicts = [self._dead(guard) for guards in dead for guard in guards]
        return min(verdicts, key=lambda verdict: _WORST.index(verdict.cls))

    def _branch_beside(self, where: ast.AST | None) -> ast.expr | None:
        """The test of a later branch of an if-chain that is the target's."""
        while isinstance(where, ast.If) and len(where.orelse) == 1:
            where = where.orelse[0]
            if isinstance(where, ast.If) and self.truth.asks_target(where.test):
                return where.test
        return None

    def _in_dead_function(self, node: ast.AST) -> Verdict | None:
        unused = self._in_unused_operator(node)
        if unused:
            return unused
        for function in self.code.functions(node):
            if self._is_dead_function(function.name):
                return Verdict(
                    "harmless", f"`{function.name}` is only called where CUDA is at hand"
                )
        return None

    def _in_unused_operator(self, node: ast.AST) -> Verdict | None:
        """An autograd Function that is applied in this file, and only where it is not reached."""
        owner = self.code.class_of(node)
        if owner is None or not any(ast.unparse(b).endswith("Function") for b in owner.bases):
            return None
        users = [
            name
            for name in self.code.references.get(owner.name, [])
            if self.code.class_of(name) is not owner
            and isinstance(self.code.parents.get(name), ast.Attribute)
        ]
        dead = [[g for g in self.code.guards(user) if self.truth.is_dead(g)] for user in users]
        if not users or not all(dead):
            return None
        verdicts = [self._dead(guard) for guards in dead for guard in guards]
        return min(verdicts, key=lambda verdict: _WORST.index(verdict.cls))

    def _is_dead_function(self, name: str, depth: int = 3) -> bool:
        """Whether a private function is called in this file, and only where it is not reached."""
        if not name.startswith("_") or name.startswith("__"):
            return False
        if name not in self._dead_functions:
            self._dead_functions[name] = False
            callers = [
                node
                for node in self.code.references.get(name, [])
                if not any(f.name == name for f in self.code.functions(node))
            ]
            self._dead_functions[name] = bool(callers) and all(
                any(self.truth.is_dead(guard) for guard in self.code.guards(caller))
                or (depth > 0 and self._called_from_dead(caller, depth))
                for caller in callers
            )
        return self._dead_functions[name]

    def _called_from_dead(self, caller: ast.AST, depth: int) -> bool:
        return any(
            self._is_dead_function(function.name, depth - 1)
            for function in self.code.functions(caller)
        )

    def _tried(self, site: Site, guard: Guard) -> Verdict | None:
        caught = {name.rpartition(".")[2] for name in guard.caught}
        if site.kind in ("apex", "cuda-library") and caught & _IMPORT_ERRORS:
            return Verdict("harmless", "optional: its import may fail")
        if (
            caught & {"Exception", "BaseException", "RuntimeError", "AssertionError"}
            and not isinstance(site.node, (ast.Import, ast.ImportFrom))
            and self._goes_on(site.node)
        ):
            return Verdict("fallback", "what it raises is caught, and the code goes on without")
        return None

    def _goes_on(self, node: ast.AST) -> bool:
        """Whether the handlers of the ``try`` around a node do more than raise again."""
        for parent, child in self.code.up(node):
            if isinstance(parent, ast.Try) and child in parent.body:
                return not all(raises(handler.body) for handler in parent.handlers)
        return True

    def _in_annotation(self, node: ast.AST) -> bool:
        for parent, child in self.code.up(node):
            if isinstance(parent, ast.arg) and child is parent.annotation:
                return True
            if isinstance(parent, ast.AnnAssign) and child is parent.annotation:
                return True
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return child is parent.returns
            if isinstance(parent, ast.stmt):
                return self._is_type_alias(parent, node)
        return False

    def _is_type_alias(self, statement: ast.stmt, node: ast.AST) -> bool:
        """``Tensors = Union[torch.Tensor, torch.cuda.FloatTensor]`` builds a type, no more."""
        value = getattr(statement, "value", None)
        return (
            isinstance(statement, (ast.Assign, ast.AnnAssign))
            and isinstance(value, ast.Subscript)
            and ast.unparse(value.value).rpartition(".")[2]
            in ("Union", "Optional", "List", "Tuple")
        )

    def _rule_at(self, node: ast.AST) -> str:
        """The rule that wrote the lines of a node; empty if none did."""
        first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
        for edit in self.edited:
            if edit.first <= last and first <= edit.last:
                return edit.rule
        return ""

    # The kind

    def _by_kind(self, site: Site) -> Verdict:
        target = self.facts.target
        match site.kind:
            case "is-cuda":
                return self._asked(site)
            case "nccl":
                return self._nccl(site)
            case "cuda-api":
                return self._api(site)
            case "op":
                return self._op(site)
            case "cudnn":
                return Verdict("harmless", "switches of cuDNN do nothing without it")
            case "pin-memory":
                return Verdict("fallback", f"memory is pinned for {target} only if its plugin does")
            case "dynamic-shape":
                return Verdict("fallback", f"{target} compiles anew for every new shape")
            case "visible-devices":
                return self._visible(site)
            case "apex":
                return self._apex(site)
            case "tensor-type":
                return self._typed(site)
        if self._in_ported_condition(site):
            return self._in_ported_condition(site) or Verdict("open", "")
        return Verdict("open", _WHY[site.kind].format(symbol=site.symbol, target=target))

    def _api(self, site: Site) -> Verdict:
        if site.symbol.rpartition(".")[2] in _PROBES:
            return self._asked(site)
        special = self._sibling(site)
        if special:
            return special
        if site.symbol in QUIET:
            return Verdict("harmless", QUIET[site.symbol])
        if site.symbol in WEAK:
            return self._in_ported_condition(site) or Verdict("fallback", WEAK[site.symbol])
        if site.symbol == "torch.cuda.device_count":
            asked = self._condition(site.node)
            if asked is not None:
                return self._asked(site)
            return Verdict("open", "it answers 0, which the code takes for a number of devices")
        if self._is_isinstance(site.node):
            return Verdict("harmless", "a type that nothing on the target has")
        return Verdict("open", f"`{site.symbol}` raises, or acts on the wrong device")

    def _sibling(self, site: Site) -> Verdict | None:
        """``get_max_cuda_memory`` beside ``get_max_sdaa_memory``: one function a device."""
        for function in self.code.functions(site.node):
            name = function.name.replace("cuda", self.facts.device)
            if name != function.name:
                for other in self.code.definitions.get(name, []):
                    rule = self._rule_at(other)
                    words = f"`{name}` is the target's"
                    return Verdict("ported", words, rule) if rule else Verdict("native", words)
        return None

    def _is_isinstance(self, node: ast.AST) -> bool:
        for parent, _ in self.code.up(node):
            if isinstance(parent, ast.Call):
                return ast.unparse(parent.func) in ("isinstance", "issubclass")
            if not isinstance(parent, ast.Tuple):
                return False
        return False

    def _typed(self, site: Site) -> Verdict:
        if self._is_isinstance(site.node):
            return Verdict("fallback", "no tensor of the target is of this type")
        return self._in_ported_condition(site) or Verdict(
            "open", f"there is no such tensor on {self.facts.target}"
        )

    def _nccl(self, site: Site) -> Verdict:
        if self._condition(site.node) is not None or self._compared(site.node):
            return self._asked(site)
        relief = self.facts.relief.get("nccl", "")
        if relief and self._goes_through_mmengine(site.node):
            words = "mmengine's init_dist reads `nccl` as the accelerator's backend"
            if relief == "native":
                return Verdict("native", words)
            return Verdict("ported", words, relief)
        return Verdict(
            "open", f"{self.facts.target} has no nccl; its backend is {self.facts.backend}"
        )

    def _goes_through_mmengine(self, node: ast.AST) -> bool:
        """Whether a backend goes to mmengine's init_dist, and not to torch itself."""
        for parent, child in self.code.up(node):
            if isinstance(parent, ast.Call):
                name = ast.unparse(parent.func).rpartition(".")[2]
                if name in ("init_process_group", "new_group"):
                    return False
                if name in ("init_dist", "init_dist_pytorch"):
                    return True
            if (
                isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef))
                and child is parent.args
                and parent.name in ("init_dist", "_init_dist_pytorch")
            ):
                return True
            if isinstance(parent, ast.keyword) and _CONFIGURED.match(parent.arg or ""):
                return True
            if isinstance(parent, ast.Dict):
                keys = [k for k, v in zip(parent.keys, parent.values) if v is child]
                if any(_CONFIGURED.match(str(getattr(key, "value", ""))) for key in keys):
                    return True
            if (
                isinstance(parent, ast.Assign)
                and isinstance(parent.targets[0], ast.Name)
                and _CONFIGURED.match(parent.targets[0].id)
            ):
                return True
        module = self.code.source.path.split("/")[0]
        return module == "mmengine" or "configs" in self.code.source.path.split("/")

    def _visible(self, site: Site) -> Verdict:
        if site.symbol == self.facts.visible_devices:
            return Verdict("native", "the target reads the same variable")
        if site.symbol == "CUDA_VISIBLE_DEVICES":
            ours = self.facts.visible_devices
            return Verdict("open", f"it chooses no device of {self.facts.target}; {ours} does")
        return Verdict("harmless", "a variable that only CUDA or NCCL reads")

    def _apex(self, site: Site) -> Verdict:
        if self._imported_softly(site):
            return Verdict("harmless", "optional: the code checks that apex is there")
        return Verdict("open", f"apex is NVIDIA's; {self.facts.target} needs its vendor's or none")

    def _imported_softly(self, site: Site) -> bool:
        """Whether apex is imported where its absence is provided for."""
        head = site.node
        while isinstance(head, ast.Attribute):
            head = head.value
        for node in self.code.nodes:
            if not isinstance(node, (ast.Import, ast.ImportFrom)):
                continue
            bound = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            if isinstance(head, ast.Name) and head.id in bound:
                caught = {c for g in self.code.guards(node) for c in g.caught}
                if caught & _IMPORT_ERRORS:
                    return True
        return False

    def _op(self, site: Site) -> Verdict:
        name = site.symbol.rpartition(".")[2]
        op = op_of(name)
        target = self.facts.target
        if self.facts.cuda and op not in self.facts.missing_ops:
            return Verdict("native", f"{target} answers as `torch.cuda`")
        if not isinstance(site.node, ast.Call):
            rule = self._rule_at(site.node) or self._rule_near(site.node)
            return Verdict("fallback", "it runs on copies in host memory", rule)
        if op in _CPU_OPS or name in _CPU_OPS or self._takes_host_tensors(site.node):
            return Verdict("harmless", "it works on the host by design")
        misread = op in self.facts.wrong_ops and not name.endswith("_backward")
        if misread and not self._rule_near(site.node):
            return Verdict("open", f"{target}'s kernel misreads an input that is no copy")
        if op in self.facts.native_ops and op not in self.facts.missing_ops:
            rule = self._rule_near(site.node)
            if rule and op in self.facts.wrong_ops:
                return Verdict("ported", "the kernel gets an input of its own", rule)
            whose = "mmcv itself" if op in self.facts.upstream_ops else "the vendor's mmcv"
            return Verdict("native", f"{whose} has a kernel for {target}")
        return Verdict("open", f"no kernel of `{op}` for {target} is known")

    def _rule_near(self, node: ast.AST) -> str:
        function = self.code.function(node)
        return self._rule_at(function) if function is not None else ""

    def _takes_host_tensors(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and bool(node.args)
            and all(".cpu()" in ast.unparse(argument) for argument in node.args[:1])
        )

    # Questions: what asks whether CUDA is there

    def _condition(self, node: ast.AST) -> tuple[ast.AST, ast.expr] | None:
        """The statement or expression whose test a node is part of, and that test."""
        for parent, child in self.code.up(node):
            if isinstance(parent, (ast.If, ast.While, ast.IfExp, ast.Assert)):
                return (parent, parent.test) if child is parent.test else None
            if isinstance(parent, ast.comprehension):
                return None
            if isinstance(parent, ast.stmt):
                return None
        return None

    def _compared(self, node: ast.AST) -> bool:
        for parent, _ in self.code.up(node):
            if isinstance(parent, ast.Compare):
                return True
            if isinstance(parent, ast.stmt):
                return False
        return False

    def _asked(self, site: Site) -> Verdict:
        """A question whose answer is no on the target: what comes of that."""
        beside = self._in_ported_condition(site)
        if beside:
            return beside
        found = self._condition(site.node)
        if found is None:
            return self._kept(site)
        where, test = found
        if isinstance(where, ast.Assert):
            return self._asserted(where, test)
        value = self.truth.of(test)
        if isinstance(where, ast.IfExp):
            return self._chosen(site, where, value)
        assert isinstance(where, (ast.If, ast.While))
        return self._branched(site, where, value)

    def _asserted(self, where: ast.Assert, test: ast.expr) -> Verdict:
        value = self.truth.of(test)
        if value is True:
            return Verdict("harmless", "the assertion holds on the target")
        return Verdict("open", f"the assertion fails on {self.facts.target}")

    def _chosen(self, site: Site, where: ast.IfExp, value: bool | None) -> Verdict:
        taken = where.body if value else where.orelse
        dropped = where.orelse if value else where.body
        if self._places(dropped) and not self._places(taken):
            return Verdict("fallback", f"the answer is no, and {_short(taken)} is taken")
        return Verdict("harmless", f"the answer is no, and {_short(taken)} will do")

    def _branched(self, site: Site, where: ast.If | ast.While, value: bool | None) -> Verdict:
        branch = self._branch_beside(where)
        if branch is not None:
            return self._by(branch, f"another branch is for the target: `{_short(branch)}`")
        if value is None and self._asks_for_others(site.node):
            return Verdict("harmless", "it asks for devices that are not CUDA's")
        if value is None:
            return Verdict("fallback", "the answer is no on the target; what follows must do")
        taken, dropped = (where.body, where.orelse) if value else (where.orelse, where.body)
        if taken and raises(list(taken)):
            return Verdict("open", f"{self.facts.target} is refused here")
        if site.kind == "is-cuda" or any(self._places(node) for node in dropped):
            if not dropped:
                return Verdict("harmless", "what is done for other devices will do")
            return Verdict("fallback", "the branch for other devices is taken")
        if dropped and not value and self._raises_after(where):
            return Verdict("open", f"{self.facts.target} is refused below")
        return Verdict(
            "harmless", "the answer is no, and nothing that the target needs is left out"
        )

    def _asks_for_others(self, node: ast.AST) -> bool:
        """Whether the comparison that a node is part of holds on the target."""
        parent = self.code.parents.get(node)
        return isinstance(parent, ast.Compare) and self.truth.of(parent) is True

    def _raises_after(self, where: ast.stmt) -> bool:
        parent = self.code.parents.get(where)
        for block in ("body", "orelse"):
            statements = getattr(parent, block, None)
            if isinstance(statements, list) and where in statements:
                after = statements[statements.index(where) + 1 :]
                return bool(after) and isinstance(after[0], ast.Raise)
        return False

    def _kept(self, site: Site) -> Verdict:
        """An answer that is stored, returned or handed on."""
        statement = self.code.statement(site.node)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            found = [self._reader(site, node) for node in self.code.references.get(name, [])]
            verdicts = [verdict for verdict in found if verdict is not None]
            if verdicts:
                return min(verdicts, key=lambda verdict: _WORST.index(verdict.cls))
        return Verdict("harmless", "it answers no, and says the truth")

    def _reader(self, site: Site, node: ast.AST) -> Verdict | None:
        """What comes of an answer where a name that holds it is read."""
        found = self._condition(node)
        if found is None:
            return None
        where, test = found
        beside = self._in_ported_condition(Site(site.kind, site.symbol, node))
        if beside:
            return beside
        if isinstance(where, ast.Assert):
            return self._asserted(where, test)
        if isinstance(where, ast.IfExp):
            return self._chosen(site, where, self.truth.of(test))
        assert isinstance(where, (ast.If, ast.While))
        return self._branched(site, where, self.truth.of(test))

    def _in_ported_condition(self, site: Site) -> Verdict | None:
        """A question that is asked of the target as well: ``x.is_cuda or x.is_sdaa``."""
        for parent, child in self.code.up(site.node):
            if (
                isinstance(parent, ast.stmt)
                and not isinstance(parent, (ast.If, ast.Assert))
                and not isinstance(parent, ast.Return)
            ):
                return None
            if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or):
                for other in parent.values:
                    if other is not child and self.truth.asks_target(other):
                        return self._by(other, "the target is asked for beside it")
            if isinstance(parent, ast.Compare):
                for side in (parent.left, *parent.comparators):
                    if (
                        isinstance(side, (ast.Tuple, ast.List, ast.Set))
                        and self.truth.device_asked(parent) == self.facts.device
                    ):
                        return self._by(parent, "the target is in the list too")
            if isinstance(parent, ast.stmt):
                return None
        return None

    def _by(self, node: ast.AST, words: str) -> Verdict:
        rule = self._rule_at(node)
        return Verdict("ported", words, rule) if rule else Verdict("native", words)

    def _places(self, node: ast.AST) -> bool:
        """Whether code puts something on a device: what is lost where it is left out."""
        inside = set(ast.walk(node))
        return any(
            site.node in inside
            and site.kind in _PLACING
            and (site.kind != "cuda-api" or site.symbol.endswith(("current_device", "set_device")))
            for site in self._sites
        )


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


_WHY = {
    "cuda-call": "`.cuda()` raises on {target}; `.to(device)` does not",
    "device-string": "a device of CUDA's is asked for, which {target} has not",
    "amp": "`{symbol}` is CUDA's alone: autocast and scaling stay off on {target}",
    "stream": "`{symbol}` raises without CUDA",
    "cuda-library": "`{symbol}` needs CUDA",
    "cuda-build": "`{symbol}` builds with CUDA alone",
    "dtype": "{target} has no kernel for {symbol}",
}
