"""Pickles of plain values, read without `pickle`: nothing that a file asks for is ever imported or called.

A pickle is a program for a small stack machine. The opcodes that plain values need are interpreted here; the names of
NumPy's own functions are only recognised, and what they would have made is made here after type, shape and length agree.

Source: the descriptions in Python's pickletools.py; for arrays, what `ndarray.__reduce_ex__` and `dtype.__reduce__` give.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from types import FunctionType
from typing import Any

import numpy as np
from numpy import ndarray

from foveal.errors import DataError

MAX_OPCODES = 5_000_000  # CIFAR-100 takes 0.2 million: two a file name and one a label
MAX_DEPTH = 32  # of lists in lists: what reads the result may call itself once a level
MAX_KEY = 1000  # characters: a long key could be compared with its like again and again
NUMBER_TYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


def read_plain_pickle(content: bytes) -> object:
    """What a pickle of protocol 0 to 5 holds, made of None, bool, int, float, str, bytes, list, tuple, dict and ndarray.

    The strings of Python 2 come as bytes, and arrays cannot be written to. Raises DataError, with the name, for a pickle
    that asks for anything else, and for one that is damaged, nested too deep or too long.
    """
    machine = _Machine(len(content))
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if opcode.name not in OPERATIONS:
                raise _refusal(f"uses the opcode {opcode.name}")
            if count == MAX_OPCODES:
                raise _refusal(f"has more than {MAX_OPCODES:,} steps")
            OPERATIONS[opcode.name](machine, argument)
    except (ValueError, KeyError) as error:  # of pickletools, of NumPy; of the memo
        raise _refusal(f"is damaged ({str(error)[:80]!a})") from error
    result = machine.pop()
    _require_plain(result, 0, {})
    return result


def _refusal(what: str) -> DataError:
    return DataError(
        f"the pickle {what}; only numbers, text, lists, dicts and NumPy arrays are read from a pickle, and nothing in it "
        "is run. Fetch the file again, or save its values in another format."
    )


@dataclass
class _Unbuilt:
    """A type or an array that the pickle has asked for, until BUILD gives the state that it is made from."""

    make: Callable[[tuple[Any, ...]], object]
    built: object = None


class _Machine:
    """The stack, the marks in it and the memo of one pickle while it is interpreted."""

    def __init__(self, size: int) -> None:
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.bytes_left = size  # that _encode may still make: one text used again and again would fill the memory

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self, kind: type = object) -> Any:
        (value,) = self.pop_many(1)
        if not isinstance(value, kind):
            raise _refusal(f"uses a value of type {type(value).__name__} as if it were something else")
        return value

    def pop_many(self, count: int) -> list[Any]:
        start = len(self.stack) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise _refusal("takes more from its stack than it put there")
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            raise _refusal("takes more from its stack than it put there")
        items = self.pop_many(len(self.stack) - self.marks[-1])
        self.marks.pop()
        return items

    def put(self, index: int) -> None:
        if not 0 <= index < 1 << 32:  # larger ones could be chosen such that they collide in a dict
            raise _refusal("remembers a value under a number that no pickle has")
        self.push(self.pop())
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        value = self.memo[index]
        self.push(value.built if isinstance(value, _Unbuilt) and value.built is not None else value)

    def extend(self, items: list[Any], target: list[Any]) -> None:
        target += items
        self.push(target)

    def set_items(self, items: list[Any], target: dict[Any, Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Hashes of text are salted. Those of numbers can be made to collide, those of tuples to take for ever.
            if not isinstance(key, str | bytes) or len(key) > MAX_KEY:
                raise _refusal(f"has a dict whose key is a {type(key).__name__}, not a short text")
            target[key] = value
        self.push(target)

    def name(self, text: str) -> None:
        if text not in NAMES:
            raise _refusal(f"asks for {text[:80]!a}")
        self.push(NAMES[text])  # a function of ours, which stands for the one that is named

    def call(self) -> None:
        arguments, function = self.pop(tuple), self.pop(FunctionType)
        self.push(function(self, *(*arguments[:4], *[None] * 4)[:4]))

    def build(self) -> None:
        state, target = self.pop(tuple), self.pop(_Unbuilt)
        target.built = target.make(state)
        self.push(target.built)


def _ndarray(*_: object) -> None:
    raise _refusal("makes an array without its values")


def _reconstruct(_: _Machine, kind: object, *_rest: object) -> _Unbuilt:
    if kind is not _ndarray:
        raise _refusal("holds an array of another class than numpy.ndarray")
    return _Unbuilt(_array_of_state)


def _array_of_state(state: tuple[Any, ...]) -> ndarray:
    """The array of `ndarray.__setstate__`: (version 1, shape, type, is Fortran, bytes)."""
    if len(state) != 5 or state[0] != 1:
        raise _refusal("holds an array of an unknown version")
    return _array(None, state[4], state[2], state[1], "F" if state[3] is True or state[3] == 1 else "C")


def _array(_: _Machine | None, content: object, dtype: object, shape: Any, order: Any) -> ndarray:
    if not isinstance(dtype, np.dtype) or not isinstance(content, bytes | bytearray) or _text(order) not in ("C", "F"):
        raise _refusal("holds an array that is not of numbers in the order of C or Fortran")
    # Shifted, a side is 0 unless it is negative or longer than any file.
    if not isinstance(shape, tuple) or len(shape) > 32 or any(type(side) is not int or side >> 40 for side in shape):
        raise _refusal("holds an array whose shape is no shape")
    expected = prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise _refusal(f"promises an array of shape {shape}, which is {expected} bytes, and has {len(content)}")
    array = np.frombuffer(content, dtype).reshape(shape, order=order)
    array.flags.writeable = False
    return array


def _type(_: _Machine, code: object, *_rest: object) -> _Unbuilt:
    if _text(code) not in NUMBER_TYPES:
        raise _refusal(f"holds an array of the type {_text(code)[:80]!a}")
    return _Unbuilt(partial(_type_of_state, np.dtype(_text(code))))


def _type_of_state(dtype: "np.dtype[Any]", state: tuple[Any, ...]) -> "np.dtype[Any]":
    """The type of `dtype.__setstate__`: (version 3, byte order, and nothing that only structures have)."""
    if len(state) != 8 or state[0] != 3 or state[2:5] != (None, None, None) or _text(state[1]) not in tuple("<>|="):
        raise _refusal("holds an array of structures, or of an unknown version")
    return dtype.newbyteorder(_text(state[1]))  # type: ignore[arg-type]


def _encode(machine: _Machine, text: object, encoding: object, *_: object) -> bytes:
    """Bytes as protocols 0 to 2 keep them: as text in latin-1; none at all as `bytes()`."""
    if text is None:
        return b""
    if not isinstance(text, str) or _text(encoding) != "latin1":
        raise _refusal("encodes text in an unknown way")
    machine.bytes_left -= len(text)
    if machine.bytes_left < 0:
        raise _refusal("uses one text for bytes again and again")
    return text.encode("latin-1")


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""


NAMES: dict[str, Callable[..., object]] = {
    **dict.fromkeys(("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"), _reconstruct),
    **dict.fromkeys(("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"), _array),
    **dict.fromkeys(("_codecs.encode", "__builtin__.bytes"), _encode),
    "numpy.dtype": _type,
    "numpy.ndarray": _ndarray,
}
VALUES = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"
)
PYTHON_2_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING")
OPERATIONS: dict[str, Callable[[_Machine, Any], object]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict.fromkeys(VALUES.split(), _Machine.push),
    **dict.fromkeys(PYTHON_2_TEXTS, lambda machine, text: machine.push(text.encode("latin-1"))),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    **dict.fromkeys(("GLOBAL", "INST"), lambda machine, text: machine.name(text.replace(" ", "."))),
    "STACK_GLOBAL": lambda machine, _: machine.name(".".join(map(_text, machine.pop_many(2)))),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "DICT": lambda machine, _: machine.set_items(machine.pop_to_mark(), {}),
    "LIST": lambda machine, _: machine.push(machine.pop_to_mark()),
    "APPEND": lambda machine, _: machine.extend(machine.pop_many(1), machine.pop(list)),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark(), machine.pop(list)),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.pop_many(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.pop_many(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.pop_many(3))),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop_many(2), machine.pop(dict)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark(), machine.pop(dict)),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}


def _require_plain(value: object, depth: int, heights: dict[int, int]) -> int:
    """How deep a value is nested; each container is looked at once, however often it is referred to."""
    if type(value) in (type(None), bool, int, float, str, bytes, ndarray):
        return 0
    if not isinstance(value, list | tuple | dict):
        what = "an array without its values" if isinstance(value, _Unbuilt) else f"a {type(value).__name__}"
        raise _refusal(f"ends with {what} where a plain value should be")
    if depth + heights.get(id(value), 0) >= MAX_DEPTH:
        raise _refusal(f"holds itself, or lists in lists more than {MAX_DEPTH} deep")
    if id(value) not in heights:
        inner = value.values() if isinstance(value, dict) else value
        heights[id(value)] = 1 + max((_require_plain(item, depth + 1, heights) for item in inner), default=0)
    return heights[id(value)]
