"""The value of an answer in normal form: whole numbers, decimals, fractions, powers, roots and π."""

import ast
import math
import re
from fractions import Fraction

_ALLOWED = re.compile(r"(?:\d++(?:\.\d*+)?|\.\d++|√(?=\()|π|[-+*/^()])++")  # possessive: read once, from the left
_MIXED = re.compile(r"(-?)(\d+)\(\((\d+)\)/\((\d+)\)\)")
_LONGEST, _HIGHEST, _LARGEST = 120, 64, 10**300
_BITS = 4096  # of numerator or denominator of what is computed on the way: nested powers would fill the memory


def value(form: str) -> Fraction | float | None:
    """Return the value of a normal form: exact (Fraction) without roots and π, else a float; None when it has none.

    A whole number before a fraction of whole numbers is a mixed number (derived).
    """
    if len(form) > _LONGEST:
        return None
    mixed = _MIXED.fullmatch(form)
    if mixed and int(mixed[4]):
        sign = -1 if mixed[1] else 1
        return sign * (int(mixed[2]) + Fraction(int(mixed[3]), int(mixed[4])))
    if not _ALLOWED.fullmatch(form):
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
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
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
        if abs(right) > _HIGHEST or abs(left) > 10**12 or _bits(left) * abs(right) > _BITS:
            raise ValueError("power too high")
        return left**right
    table = {
        ast.Add: lambda: left + right,
        ast.Sub: lambda: left - right,
        ast.Mult: lambda: left * right,
        ast.Div: lambda: left / right,
    }
    if type(operation) not in table or _bits(left) + _bits(right) > _BITS:
        raise ValueError("no operation of arithmetic, or too many digits")
    return table[type(operation)]()


def _bits(number: Fraction | float) -> int:
    """Return the bits of numerator or denominator, the longer one; a float has no more than it has."""
    return max(number.numerator.bit_length(), number.denominator.bit_length()) if isinstance(number, Fraction) else 0
