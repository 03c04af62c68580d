"""What texts of labels mean: numbers and names of classes, and markers for `unknown`.

Texts that differ only in form, which a reader would take for the same class, never make two.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from mct.base.errors import UserError, preview
from mct.base.texts import is_number, nearest, read_lines, trim, whole_number
from mct.data.layouts.settings import DatasetSettings

UNKNOWN = -1
"""The label of a picture whose label is not known."""
MARKERS = frozenset({
    "", "?", "na", "n/a", "nan", "-nan", "none", "null", "<na>", "#n/a", "#n/a n/a", "#na", "#nv",
    "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "\\n",
})  # fmt: skip
"""What data frames, spreadsheets and databases write for a missing value, in small letters."""
MOST_CLASSES_OF_FEW = 20
"""Numbers below this are taken as they are, however few of them a small table has."""


def is_marker(text: str) -> bool:
    """Return whether text says that a label is unknown."""
    return trim(text).casefold() in MARKERS or whole_number(text) == UNKNOWN


def given_classes(settings: DatasetSettings) -> list[str] | None:
    """Return the names that `dataset.classes` gives, by their number; None without that key.

    UserError if the file cannot be read or two names differ in their form only. Upper and lower
    case may differ here, since a list is written on purpose.
    """
    given = settings.classes
    if given is None:
        return None
    names = read_lines(Path(given)) if isinstance(given, str) else [str(name) for name in given]
    names = [unify(name) for name in names]
    refuse_twice(names, given_source(settings), by_case=False)
    return names


def given_source(settings: DatasetSettings) -> str:
    """Return what to call the list of classes in an error."""
    is_file = isinstance(settings.classes, str)
    return f"dataset.classes: {settings.classes}" if is_file else "dataset.classes"


def unify(name: str) -> str:
    """Return a name trimmed and in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", trim(name))


def fold(name: str, *, by_case: bool = True) -> str:
    """Return what all forms of a name share; numbers like 1, 01 and 1.0 are forms of one."""
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    text = unicodedata.normalize("NFKC", " ".join(visible.split()))
    number = whole_number(text) if text.strip(".,0123456789") == "" else None
    if number is not None:
        return str(number)
    return unicodedata.normalize("NFKC", text.casefold()) if by_case else text


def check_names(names: Iterable[str], source: str) -> None:
    """Raise UserError if a name of a class is empty or holds a character that breaks a line."""
    for name in names:
        if not name or any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in name):
            raise UserError(
                f"{source}: {name!a} as the name of a class: expected text without tabs and "
                "line breaks"
            )


def refuse_look_alikes(spellings: Mapping[str, str], source: str, *, by_case: bool = True) -> None:
    """Raise UserError if two spellings differ only in form; the values say where they are."""
    known: dict[str, str] = {}
    for spelling in spellings:
        other = known.setdefault(fold(spelling, by_case=by_case), spelling)
        if other != spelling:
            both = " and ".join(f"{text!a}{spellings[text]}" for text in (other, spelling))
            raise UserError(
                f"{source}: {both} differ only in {_difference(other, spelling)}; expected one "
                "spelling of a class"
            )


def _difference(one: str, other: str) -> str:
    if whole_number(one) is not None:
        return "the form of a number"
    if trim(one).casefold() == trim(other).casefold():
        is_case = trim(one) != trim(other)
        return "upper and lower case" if is_case else "spaces or invisible characters around them"
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return "their Unicode form (NFC, NFD)"
    return "look-alike characters"


def refuse_twice(names: Sequence[str], source: object, *, by_case: bool = True) -> None:
    """Raise UserError if a list of classes has a name twice, in one form or in two, or an unfit one."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{source}: class {twice[0]!a} is listed twice")
    check_names(names, str(source))
    refuse_look_alikes(dict.fromkeys(names, ""), str(source), by_case=by_case)


class Classes:
    """The classes of a data set, found by their names, or by numbers where no name is one."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        unified = Counter(map(unify, names))
        places = {unify(name): place for place, name in enumerate(names)}
        self._places = {name: place for name, place in places.items() if unified[name] == 1}
        numbers = {whole_number(name): place for name, place in self._places.items()}
        self._numbers = {number: place for number, place in numbers.items() if number is not None}
        self._folds = {fold(name): name for name in names}
        self.find = lru_cache(maxsize=None)(self._find)

    def names_it(self, text: str) -> bool:
        """Return whether text is the name of a class, in whatever form of a number."""
        return unify(text) in self._places or whole_number(text) in self._numbers

    def numbers_it(self, text: str) -> bool:
        """Return whether text is the number of a class and not its name."""
        return is_number(text) and not self._numbers and not self.names_it(text)

    def _find(self, text: str) -> int:
        """Return the class that text names, `UNKNOWN` for a marker; UserError, without a place, for none."""
        if self.names_it(text):
            return self._places.get(
                unify(text), self._numbers.get(whole_number(text) or 0, UNKNOWN)
            )
        if fold(text) in self._folds:
            known = ascii(self._folds[fold(text)])
            raise UserError(f"{text!a} differs from the class {known} only in its form")
        if is_marker(text):
            return UNKNOWN
        if self.numbers_it(text):
            return self._place(text)
        near = nearest(unify(text), self.names)
        hint = f"did you mean {near!r}?" if near else f"known are {preview(self.names, 5)}"
        raise UserError(f"no class {text!a}; {hint}")

    def _place(self, text: str) -> int:
        number = whole_number(text)
        if number is None:
            raise UserError(f"label {text!r} is not a whole number")
        if not 0 <= number < len(self.names):
            raise UserError(f"label {number} is outside 0 to {len(self.names) - 1}")
        return number


def classes_of_texts(
    texts: Mapping[str, str], given: Sequence[str] | None, source: str
) -> tuple[list[str], dict[str, int]]:
    """Return the classes that labels of a table name, and the number that each text stands for.

    UserError for spellings that differ only in form, a text that names no class, numbers that
    number nothing. `texts` are the different texts of labels, as they are written, with where each
    is first; `given` are the names of all classes in their order, or None for those that the texts
    name. `source` names the table in errors.
    """
    listed = Classes(given or ())
    named = {t: place for t, place in texts.items() if listed.names_it(t) or not is_marker(t)}
    are_numbers = all(map(is_number, named))
    if not are_numbers:
        if given is None:
            _refuse_word_among_numbers(named, source)
        refuse_look_alikes(named, source, by_case=given is None)
    if given is not None:
        return listed.names, _find_given(texts, listed, source)
    names = _numbers(named, source) if are_numbers else sorted({unify(text) for text in named})
    check_names(names, source)
    classes = Classes(names)
    return names, {text: classes.find(text) if text in named else UNKNOWN for text in texts}


def _refuse_word_among_numbers(texts: Mapping[str, str], source: str) -> None:
    """Raise UserError if a few words are among numbers that are written in two forms."""
    words = [text for text in texts if not is_number(text)]
    numbers = Counter(whole_number(text) for text in texts if is_number(text))
    if len(words) < len(numbers) and max(numbers.values()) > 1:
        raise UserError(
            f"{source}{texts[words[0]]}: label {words[0]!r} among numbers: expected a whole number from "
            "0; correct it, or list all classes in dataset.classes"
        )


def _find_given(texts: Mapping[str, str], classes: Classes, source: str) -> dict[str, int]:
    """Return the number of each text among the classes that somebody listed."""
    found = {}
    for text, place in texts.items():
        try:
            found[text] = classes.find(text)
        except UserError as error:
            raise UserError(f"{source}{place}: {error} (see dataset.classes)") from error
    known = [text for text, number in found.items() if number != UNKNOWN]
    numbers = [text for text in known if classes.numbers_it(text)]
    if 0 < len(numbers) < len(known):
        name = next(text for text in known if text not in numbers)
        raise UserError(
            f"{source}: {numbers[0]!r}{texts[numbers[0]]} is the number of a class, and {name!r}"
            f"{texts[name]} a name; expected either"
        )
    return found


def _numbers(texts: Mapping[str, str], source: str) -> list[str]:
    """Return the numbers from 0 to the largest of texts, which are spelled like numbers."""
    for text, place in texts.items():
        if (number := whole_number(text)) is None or number < 0:
            raise UserError(
                f"{source}{place}: label {text!r} among numbers: expected a whole number from 0"
            )
    numbers = {number for number in map(whole_number, texts) if number is not None}
    largest = max(numbers, default=-1)
    if largest >= max(2 * len(numbers), MOST_CLASSES_OF_FEW):
        raise UserError(
            f"{source}: {len(numbers)} classes have numbers up to {largest}: expected 0 to "
            f"{len(numbers) - 1}; number them so, or give names in place of all numbers"
        )
    return [str(number) for number in range(largest + 1)]


def order_folders(found: Sequence[str], settings: DatasetSettings, source: str) -> list[str]:
    """Return the names of classes that are folders, in the order of `dataset.classes` if given.

    A class is spelled as its folder is. UserError for folders whose names differ only in form, and
    for a folder that is no given class.
    """
    given = given_classes(settings)
    check_names(found, source)
    refuse_look_alikes(dict.fromkeys(found, ""), source, by_case=given is None)
    if given is None:
        return list(found)
    folders = {unify(name): name for name in found}
    for name in folders:
        if name not in given:
            near = nearest(name, given)
            hint = f"; did you mean {near!r}?" if near else f"; known are {preview(given, 5)}"
            raise UserError(f"{source}/{name}: no class {name!a} in dataset.classes{hint}")
    return [folders.get(name, name) for name in given]
