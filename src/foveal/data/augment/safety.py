"""Which changes would make one class out of two. Sentences for a person: nothing is changed and nothing refused here.

What is switched on for known data stands in recipes.AUGMENT_ON.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

# Beyond it, a 6 turned one way is nearer to a 9 turned the other way than to a 6 turned so: 180 - 2 * 45 = 2 * 45.
MAX_TURN = 45.0

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MIRRORED_DIGITS = (("2", "5"),)
TURNED_DIGITS = (("6", "9"),)
MIRRORED_LETTERS = (("b", "d"), ("p", "q"))
TURNED_LETTERS = (("b", "q"), ("d", "p"), ("n", "u"), ("m", "w"))


def merging_augmentations(
    classes: Sequence[str], *, flip: Literal["none", "random", "alternating"], rotate: float
) -> list[str]:
    """A sentence for each way in which mirroring, or turning by up to `rotate` degrees, makes one class out of two.

    Known are digits in figures and words, Latin letters in either case, and classes that say left or right.

    >>> merging_augmentations(["4", "6", "9"], flip="none", rotate=90)
    ['augment.rotate=90 turns 6 and 9 into each other. If the images show writing, keep it at 45 or below.']
    """
    characters = {_character(name): name for name in classes}
    is_writing = None not in characters  # a class called B among cars and dogs is no letter
    mirrored = _both_there(MIRRORED_DIGITS + MIRRORED_LETTERS, characters) if is_writing and flip != "none" else []
    turned = _both_there(TURNED_DIGITS + TURNED_LETTERS, characters) if is_writing and rotate > MAX_TURN else []
    sides = _sides(classes) if flip != "none" else []
    return [
        *(
            f"augment.flip={flip} makes {pair} alike, and most other characters into none. "
            "If the images show writing, set augment.flip=none."
            for pair in mirrored
        ),
        *(f"augment.flip={flip} turns {pair} into each other. Set augment.flip=none." for pair in sides),
        *(
            f"augment.rotate={rotate:g} turns {pair} into each other. "
            f"If the images show writing, keep it at {MAX_TURN:g} or below."
            for pair in turned
        ),
    ]


def _character(name: str) -> str | None:
    """The digit or the small letter that a class name stands for: 7, "seven" and "7 - seven" are "7"."""
    said = set()
    for word in re.findall(r"\w+", name.lower().replace("_", " ")):
        said.add(str(NUMBER_WORDS.index(word)) if word in NUMBER_WORDS else word)
    only = said.pop() if len(said) == 1 else ""
    return only if re.fullmatch("[0-9a-z]", only) else None


def _both_there(pairs: Sequence[tuple[str, str]], names: Mapping[str | None, str]) -> list[str]:
    """The pairs of which both are classes, as the classes are called."""
    return [f"{names[first]} and {names[second]}" for first, second in pairs if first in names and second in names]


def _sides(classes: Sequence[str]) -> list[str]:
    """The classes that say left and the same with right, in pairs, and those that say only one of them."""
    by_words = {_words(name): name for name in classes}
    found = []
    for words, name in by_words.items():
        twin = by_words.get(tuple({"left": "right", "right": "left"}.get(word, word) for word in words))
        if "left" in words and twin is not None:
            found.append(f"{name} and {twin}")
        elif twin is None:
            found.append(f"{name} and its other side")
    return found


def _words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, also of TurnLeft and turn_left; "bright" has no "right" in it."""
    return tuple(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name))
