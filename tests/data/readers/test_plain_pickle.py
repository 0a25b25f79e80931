"""Pickles of every protocol against Python's own reader, one as Python 2 wrote it, and those that must not be obeyed."""

import os
import pickle
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray

from foveal.data.readers import plain_pickle
from foveal.data.readers.plain_pickle import read_plain_pickle
from foveal.errors import DataError

PROTOCOLS = range(6)


def same(found: Any, expected: Any) -> bool:
    """Whether two values are equal, of the same types, all the way down; NaN is itself."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, ndarray):
        return found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[key], expected[key]) for key in expected)
    return bool(found == expected or expected != expected)


PLAIN = {
    "nothing": None,
    "truths": [True, False],
    "whole numbers": [0, 1, 255, 256, 65535, 65536, -1, -256, 2**31 - 1, -(2**31), 2**31, 2**70, -(2**70), 2**2047],
    "other numbers": [0.0, -1.5, 1e300, float("inf"), float("nan")],
    "text": ["", "cat", "line\nbreak", "\\ ' \"", "ä\u20ac\U0001f600", "x" * 300],
    "bytes": [b"", b"cat", bytes(range(256)), b"x" * 300],
    "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    "lists": [[], [[]], [[1], [2, [3]]], list(range(2500))],
    "dicts": {"a": 1, b"b": {"c": [], "d": {}}, "e": {str(i): i for i in range(1500)}},
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", PLAIN.values(), ids=list(PLAIN))
def test_plain_values_of_every_protocol_come_as_pickle_itself_reads_them(value: Any, protocol: int) -> None:
    assert same(read_plain_pickle(pickle.dumps(value, protocol)), value)


ARRAYS = {
    **{code: np.arange(6).reshape(2, 3).astype(code) for code in ("?", "i1", "<i4", ">i4", "<f2", "<f4", ">f8", "<u8")},
    "bytes": np.arange(256, dtype=np.uint8),
    "colour": np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3),
    "Fortran": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
    "every second": np.arange(10, dtype=np.uint8)[::2],
    "one number": np.array(5.0),
    "empty": np.zeros((0, 3), np.uint8),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("array", ARRAYS.values(), ids=list(ARRAYS))
def test_arrays_of_every_protocol_come_as_they_were(array: ndarray, protocol: int) -> None:
    found = read_plain_pickle(pickle.dumps({"data": array, "again": [array]}, protocol))
    assert isinstance(found, dict)
    assert same(found, {"data": array, "again": [array]})
    assert found["again"][0] is found["data"]
    assert not found["data"].flags.writeable


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
    | st.integers(0, 9).map(lambda count: np.arange(count, dtype=np.int16)),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(value=VALUES, protocol=st.sampled_from(PROTOCOLS))
def test_whatever_plain_value_is_pickled_comes_back(value: Any, protocol: int) -> None:
    assert same(read_plain_pickle(pickle.dumps(value, protocol)), value)


def python2_text(text: bytes) -> bytes:
    """A str of Python 2 in protocol 2: SHORT_BINSTRING up to 255 bytes, BINSTRING beyond."""
    return b"U" + bytes([len(text)]) + text if len(text) < 256 else b"T" + struct.pack("<i", len(text)) + text


def python2_array(array: ndarray) -> bytes:
    """An array of bytes as the cPickle of Python 2.7 wrote it in protocol 2, put together opcode by opcode."""
    return b"".join(
        (
            b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\x09",
            python2_text(b"b") + b"q\x0a\x87q\x0bRq\x0c",
            b"(K\x01" + b"".join(b"M" + struct.pack("<H", side) for side in array.shape) + b"\x86q\x0d",
            b"cnumpy\ndtype\nq\x0e" + python2_text(b"u1") + b"q\x0fK\x00K\x01\x87q\x10Rq\x11",
            b"(K\x03" + python2_text(b"|") + b"q\x12NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89" + python2_text(array.tobytes()) + b"tb",
        )
    )


def test_a_batch_as_python_2_wrote_it_comes_with_its_text_as_bytes() -> None:
    pixels = np.arange(2 * 256, dtype=np.uint8).reshape(2, 256)
    batch = (
        b"\x80\x02}q\x01(" + python2_text(b"batch_label") + b"q\x02" + python2_text(b"training batch 1 of 5") + b"q\x03"
        b"" + python2_text(b"labels") + b"q\x04]q\x05(K\x06K\x09e" + python2_text(b"data") + b"q\x06"
        b"" + python2_array(pixels) + python2_text(b"filenames") + b"q\x14]q\x15U\x05x.pngq\x16au."
    )
    expected = {b"batch_label": b"training batch 1 of 5", b"labels": [6, 9], b"data": pixels, b"filenames": [b"x.png"]}
    assert same(pickle.loads(batch, encoding="bytes"), expected), "the stream that this test wrote is no pickle"  # noqa: S301
    assert same(read_plain_pickle(batch), expected)


def test_text_of_python_2_in_protocol_0_is_bytes_too() -> None:
    assert read_plain_pickle(b"(dp0\nS'label\\n'\np1\nI7\nsS'on'\nI01\ns.") == {b"label\n": 7, b"on": True}


class Attack:
    """What pickles itself as a call of anything."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_that_runs_a_program_is_refused_by_the_name_and_runs_nothing(protocol: int, tmp_path: Path) -> None:
    content = pickle.dumps([1, Attack(os.system, f"touch {tmp_path / 'it-ran'}")], protocol)
    with pytest.raises(
        DataError, match=r"the pickle asks for '(posix|nt)\.system'; only numbers, .* nothing in it is run"
    ):
        read_plain_pickle(content)
    assert not list(tmp_path.iterdir())
    pickle.loads(content)  # noqa: S301 -- else the test would prove nothing
    assert list(tmp_path.iterdir())


def reduced(function: Callable[..., Any], *arguments: Any) -> bytes:
    return pickle.dumps(Attack(function, *arguments), 4)


class Odd(ndarray):
    """An array of a class of its own."""


def state_of(dtype: bytes, state: bytes) -> bytes:
    """An array's type by its code, with a state."""
    return b"cnumpy\ndtype\n(" + python2_text(dtype) + b"I00\nI01\ntR" + state + b"b"


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR"
U1 = state_of(b"u1", b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t")
REFUSED = {
    "os.system by its opcode": (b"cos\nsystem\n(S'true'\ntR.", r"asks for 'os\.system'"),
    "os.system by an instance": (b"(S'true'\nios\nsystem\n.", r"asks for 'os\.system'"),
    "os.system by the stack": (b"\x8c\x02os\x8c\x06system\x93.", r"asks for 'os\.system'"),
    "a name that is a number": (b"K\x01K\x02\x93.", r"asks for '\.'"),
    "a name of many letters": (b"cos\n" + b"a" * 10_000 + b"\n.", r"asks for 'os\.a{77}';"),
    "eval": (reduced(eval, "1"), r"asks for 'builtins\.eval'"),
    "a function of NumPy": (reduced(np.load, "x"), r"asks for 'numpy\.load'"),
    "a single number of NumPy": (pickle.dumps(np.int64(3)), r"asks for 'numpy\._core\.multiarray\.scalar'"),
    "a class of one's own": (pickle.dumps(Attack(Odd)), r"asks for 'data\.test_plain_pickle\.Odd'|asks for '\S*Odd'"),
    "an extension": (b"\x82\x01.", "uses the opcode EXT1"),
    "a persistent id": (b"Pfile\n.", "uses the opcode PERSID"),
    "a set": (pickle.dumps({1}, 4), "uses the opcode EMPTY_SET"),
    "a complex number": (pickle.dumps(1j), r"asks for 'builtins\.complex'"),
    "a bytearray": (pickle.dumps(bytearray(b"x"), 5), "ends with a bytearray where a plain value should be"),
    "a name alone": (b"cnumpy\nndarray\n.", "ends with a function where"),
    "an array without values": (
        RECONSTRUCT + b".",
        "ends with an array without its values where a plain value should be",
    ),
    "ndarray called": (b"cnumpy\nndarray\n(tR.", "makes an array without its values"),
    "an array in a list before its values": (b"]" + RECONSTRUCT + b"a.", "ends with an array without its values"),
    "a call of a number": (b"K\x01)R.", "uses a value of type int as if it were something else"),
    "arguments that are no tuple": (b"cnumpy\ndtype\n]R.", "uses a value of type list as if"),
    "a state of a number": (b"K\x01)b.", "uses a value of type int as if"),
    "an append to a dict": (b"}K\x01a.", "uses a value of type dict as if"),
    "an item of a list": (b"]U\x01aK\x01s.", "uses a value of type list as if"),
    "objects in an array": (pickle.dumps(np.array([None, "x"], dtype=object), 4), "holds an array of the type 'O8'"),
    "text in an array": (pickle.dumps(np.array(["cat"])), "holds an array of the type 'U3'"),
    "dates in an array": (pickle.dumps(np.zeros(1, "M8[s]")), "holds an array of the type 'M8'"),
    "structures in an array": (pickle.dumps(np.zeros(1, "i4,f4")), "holds an array of the type 'V8'"),
    "structures by the state": (state_of(b"u1", b"(K\x03U\x01|N(U\x01xt}K\x08K\x01K\x00t"), "an array of structures"),
    "a type of a later version": (state_of(b"u1", b"(K\x09U\x01|NNNK\x00K\x00K\x00t"), "or of an unknown version"),
    "a type in an unknown order": (state_of(b"u1", b"(K\x03U\x01!NNNK\x00K\x00K\x00t"), "or of an unknown version"),
    "an array of a later version": (RECONSTRUCT + b"(K\x02)tb.", "holds an array of an unknown version"),
    "an array of another class": (
        pickle.dumps(np.zeros(2).view(np.recarray), 4),
        r"asks for 'numpy\.rec\.recarray'|asks for 'numpy\.recarray'",
    ),
    "an array of a number's class": (
        b"cnumpy.core.multiarray\n_reconstruct\n(K\x01(I0\ntU\x01btR.",
        "another class than numpy.ndarray",
    ),
    "an array of no type": (RECONSTRUCT + b"(K\x01(K\x02tK\x01\x89U\x02abtb.", "not of numbers in the order of C or"),
    "an array of text": (RECONSTRUCT + b"(K\x01(K\x02t" + U1 + b"\x89X\x02\x00\x00\x00abtb.", "not of numbers in"),
    "an array in another order": (
        pickle.dumps(np.zeros((2, 3, 4), np.uint8).transpose(1, 0, 2), 5),
        "not of numbers in the order of C or Fortran",
    ),
    "a shape that is a list": (RECONSTRUCT + b"(K\x01]" + U1 + b"\x89U\x02abtb.", "whose shape is no shape"),
    "a side below zero": (RECONSTRUCT + b"(K\x01(I-1\nI-2\nt" + U1 + b"\x89U\x02abtb.", "whose shape is no shape"),
    "a side beyond any file": (RECONSTRUCT + b"(K\x01(K\x00I99999999999999\nt" + U1 + b"\x89U\x00tb.", "no shape"),
    "sides beyond any memory": (
        RECONSTRUCT + b"(K\x01(K\x00" + b"J\0\0\0\x7f" * 9 + b"t" + U1 + b"\x89U\x00tb.",
        "is damaged",
    ),
    "fewer values than promised": (
        RECONSTRUCT + b"(K\x01(K\x03t" + U1 + b"\x89U\x02abtb.",
        r"promises an array of shape \(3,\), which is 3 bytes, and has 2;",
    ),
    "an encoding of numbers": (b"c_codecs\nencode\n(K\x01U\x06latin1tR.", "encodes text in an unknown way"),
    "another encoding": (b"c_codecs\nencode\n(X\x01\x00\x00\x00aU\x03hextR.", "encodes text in an unknown way"),
    "one text encoded for ever": (
        b"c_codecs\nencode\np0\nX\x20\x00\x00\x00"
        + b"a" * 32
        + b"X\x06\x00\x00\x00latin1\x86p1\nR"
        + b"h\x00h\x01R" * 50
        + b".",
        "uses one text for bytes again and again",
    ),
    "keys that are numbers": (pickle.dumps({1: 2}), "has a dict whose key is a int, not a short text"),
    "keys that are tuples": (pickle.dumps({(): 2}), "has a dict whose key is a tuple"),
    "keys that are long": (pickle.dumps({"a" * 1001: 2}), "has a dict whose key is a str, not a short text"),
    "a key without a value": (b"}(U\x01au.", "is damaged"),
    "a memo beyond any pickle": (b"]p99999999999\n.", "remembers a value under a number that no pickle has"),
    "a memo below zero": (b"]p-1\n.", "remembers a value under a number"),
    "what was never remembered": (b"h\x05.", "is damaged"),
    "what is not on the stack": (b"K\x01a.", "takes more from its stack than it put there"),
    "what is below the mark": (b"](K\x01aa.", "takes more from its stack than it put there"),
    "a mark that was never set": (b"]e.", "takes more from its stack than it put there"),
    "nothing at the end": (b".", "takes more from its stack than it put there"),
    "a list that holds itself": (b"]p0\nh\x00a.", "holds itself, or lists in lists more than 32 deep"),
    "a list of a thousand lists": (b"]" * 1000 + b"a" * 999 + b".", "holds itself, or lists in lists more than 32"),
    "an empty file": (b"", "is damaged .'pickle exhausted before seeing STOP'."),
    "no pickle": (b"\x89PNG\r\n\x1a\n", "uses the opcode PERSID"),
    "an opcode that is none": (b"\xff", "is damaged .+at position 0, opcode b"),
    "half a number": (b"J\x00", "is damaged"),
    "text that is none": (b"X\x01\x00\x00\x00\xff.", "is damaged"),
    "text longer than the file": (b"\x8d\xff\xff\xff\xff\xff\xff\xff\x0f", "is damaged"),
    "a number of a billion digits": (b"\x8b\xff\xff\xff\x7f", "is damaged"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_not_plain_is_refused_with_its_reason(content: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=rf"the pickle (.* )?({sentence})"):
        read_plain_pickle(content)


def test_a_list_doubled_thirty_times_is_shared_and_not_copied() -> None:
    value: list[Any] = []
    for _ in range(30):
        value = [value, value]
    found = read_plain_pickle(pickle.dumps(value))
    assert isinstance(found, list)
    assert found[0] is found[1]


def test_a_pickle_of_too_many_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_pickle, "MAX_OPCODES", 1000)  # the limit is five million, too many for a test
    with pytest.raises(DataError, match="the pickle has more than 1,000 steps"):
        read_plain_pickle(b"]" * 2000)


STREAMS = [
    pickle.dumps([value, array], protocol)
    for protocol in PROTOCOLS
    for value in PLAIN.values()
    for array in (ARRAYS["<i4"],)
]
SHORT = [content for content in STREAMS if len(content) < 1500]


def spoiled(content: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
    """The content with some bytes changed, and perhaps the end cut off."""
    mutable = bytearray(content)
    for place, value in changes:
        mutable[place % len(mutable)] = value
    return bytes(mutable[: len(mutable) - cut])


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=80)
    | st.builds(
        spoiled,
        st.sampled_from(SHORT),
        st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
        st.integers(0, 3),
    )
    | st.lists(st.sampled_from([*b"(.]})}K\x01U\x01atR\x85\x86\x87bsuaeh\x00q\x00\x89N"]), max_size=40).map(bytes)
)
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(content: bytes) -> None:
    with suppress(DataError):
        read_plain_pickle(content)
