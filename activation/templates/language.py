"""The part of Jinja that templates are written in: what cannot run away, or reach anything.

Of Jinja's syntax only what is listed in `_ALLOWED` may be used: values, filters, tests, if, for and
set. There are no calls, macros or imports, loops turn a bounded number of times, texts and numbers
have a largest size. So no template stands in the way of a worker, whatever a person's traits are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from jinja2 import ChainableUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from activation.templates.filters import FILTERS, MAX_SOURCE, TESTS, bounded, budget, limited

MAX_OUTPUT = 500_000  # characters
_MAX_NUMBER = 10**15

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.For,
    nodes.Assign,
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.CondExpr,
    nodes.Keyword,
)


class Missing(ChainableUndefined):
    """A value that is not there: fine to ask for, or to give a default for, but not to print."""

    def __getattr__(self, name: str) -> Missing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(name=f"{self._undefined_name}.{name}")

    def __getitem__(self, key: Any, /) -> Missing:  # type: ignore[override]
        return Missing(name=f"{self._undefined_name}.{key}")

    def __str__(self) -> str:
        raise UndefinedError(f"{self._undefined_name} is missing; say what to show: default('…')")

    __html__ = __iter__ = __str__  # type: ignore[assignment]


class Environment(ImmutableSandboxedEnvironment):
    """Compiles that part of Jinja alone."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Numbers with numbers, of a bounded size; and texts can be added."""
        if isinstance(left, str) and isinstance(right, str) and operator == "+":
            if len(left) + len(right) > MAX_SOURCE:
                raise SecurityError("a text is too long")
            return left + right
        for each in (left, right):
            if not isinstance(each, int | float) or abs(each) > _MAX_NUMBER:
                raise SecurityError(f"{operator} takes numbers up to {_MAX_NUMBER:.0e}")
        return super().call_binop(context, operator, left, right)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > MAX_SOURCE:
            raise TemplateSyntaxError(f"it is longer than {MAX_SOURCE:,} characters", 1)
        try:
            tree = super()._parse(source, name, filename)
            found = list(tree.find_all(nodes.Node))
        except (RecursionError, MemoryError):
            raise TemplateSyntaxError("it nests too deep", 1) from None
        for node in found:
            _check(node)
        for loop in [each for each in found if isinstance(each, nodes.For)]:
            steps = 1 + sum(len(list(each.find_all(nodes.Node))) + 1 for each in loop.body)
            cost = nodes.Const(steps)
            loop.iter = nodes.Filter(loop.iter, "bounded", [cost], [], None, None)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Names of people's data are never methods: `person.items` is the trait of that name."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """What is there under that name, or number."""
        if isinstance(obj, Mapping | list | tuple | str):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                return self.undefined(name=str(argument))
        if isinstance(obj, Missing):
            return obj[argument]
        if argument in {"index", "index0", "first", "last", "length"}:  # of a loop
            return getattr(obj, argument, self.undefined(name=str(argument)))
        return self.undefined(name=str(argument))


def _check(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        what = type(node).__name__.lower()
        raise TemplateSyntaxError(f"{what} cannot be used in templates", node.lineno)
    if isinstance(node, nodes.Name) and node.name == "self":
        raise TemplateSyntaxError("self cannot be used in templates", node.lineno)
    if isinstance(node, nodes.List | nodes.Tuple) and any(map(_grows, node.items)):
        raise TemplateSyntaxError(
            "a list has texts, numbers and values like person.name in it alone", node.lineno
        )
    if isinstance(node, nodes.Dict):  # of what it has, another could be made, twice as large
        raise TemplateSyntaxError("dict cannot be used in templates", node.lineno)
    if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const):
        raise TemplateSyntaxError("[ ] has a text or a number in it", node.lineno)  # errors name it
    if isinstance(node, nodes.For) and node.recursive:
        raise TemplateSyntaxError("a loop cannot be recursive", node.lineno)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        told = f"there is no filter {node.name}; there are {', '.join(sorted(FILTERS))}"
        raise TemplateSyntaxError(told, node.lineno)
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        raise TemplateSyntaxError(f"there is no test {node.name}", node.lineno)


def _grows(item: nodes.Node) -> bool:
    """Whether a list with it may be twice as large as what is in it: again and again, for ever."""
    if isinstance(item, nodes.Name):
        return item.ctx == "load"  # else the names of a loop, or of a set
    return not isinstance(item, nodes.Const | nodes.Neg | nodes.Getattr | nodes.Getitem)


@cache
def environment(*, html: bool) -> Environment:
    """Of texts, or of HTML, in which whatever a person brings is escaped."""
    made = Environment(autoescape=html, undefined=Missing)
    made.filters = {**limited(made.filters, html=html), "bounded": bounded}
    made.tests = {name: made.tests[name] for name in TESTS}
    made.globals = {}
    return made


def render(source: str, variables: Mapping[str, Any], *, html: bool) -> str:
    """The text; TemplateError, which says nothing of anybody but names of theirs, if there is none.

    A value that is missing and has no default is an error: better no message than "Hello ,".
    """
    try:
        with budget():
            pieces, size = [], 0
            for piece in _compiled(source, html=html).generate(variables):
                size += len(piece)
                if size > MAX_OUTPUT:
                    raise SecurityError(f"it makes more than {MAX_OUTPUT:,} characters")
                pieces.append(piece)
            return "".join(pieces)
    except TemplateError:
        raise
    except Exception as error:  # noqa: BLE001 - a template's mistake, like 'a' + 1
        raise SecurityError(f"a value is of the wrong kind ({type(error).__name__})") from None


def names(source: str, *, html: bool) -> frozenset[str]:
    """The variables that it asks for; TemplateSyntaxError, with the line, if it is no template."""
    return frozenset(meta.find_undeclared_variables(environment(html=html).parse(source)))


@lru_cache(maxsize=1024)
def _compiled(source: str, *, html: bool) -> Any:
    return environment(html=html).from_string(source)
