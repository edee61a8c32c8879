"""The value of an answer in normal form: whole numbers, decimals, fractions, powers, roots and π."""

import ast
import math
import re
from fractions import Fraction

_ALLOWED = re.compile(r"(?:\d+\.?\d*|\.\d+|√(?=\()|π|[-+*/^()])+")
_MIXED = re.compile(r"(-?)(\d+)\(\((\d+)\)/\((\d+)\)\)")
_LONGEST, _HIGHEST, _LARGEST = 120, 64, 10**300


def value(form: str) -> Fraction | float | None:
    """Return the value of a normal form: exact (Fraction) without roots and π, else a float; None when it has none.

    A whole number before a fraction of whole numbers is a mixed number (derived).
    """
    mixed = _MIXED.fullmatch(form)
    if mixed and int(mixed[4]):
        sign = -1 if mixed[1] else 1
        return sign * (int(mixed[2]) + Fraction(int(mixed[3]), int(mixed[4])))
    if len(form) > _LONGEST or not _ALLOWED.fullmatch(form):
        return None
    product = re.sub(r"(?<=[\d)π])(?=[(√π])|(?<=[)π])(?=[\d.])", "*", form)
    numbers = re.sub(r"(\d+\.?\d*|\.\d+)", r"n('\1')", product)
    python = numbers.replace("^", "**").replace("√", "root").replace("π", "pi")
    try:
        found = _evaluate(ast.parse(python, mode="eval").body)
        return None if isinstance(found, complex) or abs(found) > _LARGEST else found
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, TypeError):
        return None


def _evaluate(node: ast.AST) -> Fraction | float:
    if isinstance(node, ast.Name) and node.id == "pi":
        return math.pi
    if isinstance(node, ast.UnaryOp):
        inner = _evaluate(node.operand)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Call):
        return _call(node)
    if isinstance(node, ast.BinOp):
        return _binary(node.op, _evaluate(node.left), _evaluate(node.right))
    raise ValueError(ast.dump(node))


def _call(node: ast.Call) -> Fraction | float:
    if node.func.id == "n":
        return Fraction(node.args[0].value)
    inner = _evaluate(node.args[0])
    root = Fraction(math.isqrt(inner.numerator), math.isqrt(inner.denominator)) if _whole(inner) else math.sqrt(inner)
    return root if _whole(inner) and root * root == inner else math.sqrt(inner)


def _whole(number: Fraction | float) -> bool:
    return isinstance(number, Fraction) and number >= 0


def _binary(operation: ast.operator, left: Fraction | float, right: Fraction | float) -> Fraction | float:
    if isinstance(operation, ast.Pow):
        if abs(right) > _HIGHEST or abs(left) > 10**12:
            raise ValueError("power too high")
        return left**right
    table = {
        ast.Add: lambda: left + right,
        ast.Sub: lambda: left - right,
        ast.Mult: lambda: left * right,
        ast.Div: lambda: left / right,
    }
    return table[type(operation)]()
