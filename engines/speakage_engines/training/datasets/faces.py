"""Sentences from face attributes: the 40 of CelebA and CelebA-HQ, in the manner of Multi-Modal-CelebA-HQ.

A row of marks becomes as many different sentences as are asked for, the same for the same picture and number. Only what
is marked is ever said, never what is not. Whom a picture shows, and whether a mark is right, is *not* known here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, overload

import numpy as np
from typing_extensions import override

from speakage_engines.training.datasets.report import Reason, RejectedError, printable
from speakage_engines.training.datasets.settings import DatasetError
from speakage_engines.training.datasets.text import decode_text

IS: Final = {
    "Attractive": ("attractive", "good-looking"),
    "Bald": ("bald",),
    "Chubby": ("chubby",),
    "Smiling": ("smiling",),
    "Young": ("young",),
}
HAS: Final = {
    "5_o_Clock_Shadow": ("a 5 o'clock shadow", "stubble"),
    "Arched_Eyebrows": ("arched eyebrows",),
    "Bags_Under_Eyes": ("bags under {his} eyes", "bags under the eyes"),
    "Bangs": ("bangs",),
    "Big_Lips": ("big lips", "full lips"),
    "Big_Nose": ("a big nose",),
    "Black_Hair": ("black hair",),
    "Blond_Hair": ("blond hair",),
    "Brown_Hair": ("brown hair",),
    "Bushy_Eyebrows": ("bushy eyebrows",),
    "Double_Chin": ("a double chin",),
    "Goatee": ("a goatee",),
    "Gray_Hair": ("gray hair",),
    "High_Cheekbones": ("high cheekbones",),
    "Mouth_Slightly_Open": ("a slightly open mouth", "{his} mouth slightly open"),
    "Mustache": ("a mustache",),
    "Narrow_Eyes": ("narrow eyes",),
    "Oval_Face": ("an oval face",),
    "Pale_Skin": ("pale skin",),
    "Pointy_Nose": ("a pointy nose",),
    "Receding_Hairline": ("a receding hairline",),
    "Rosy_Cheeks": ("rosy cheeks",),
    "Sideburns": ("sideburns",),
    "Straight_Hair": ("straight hair",),
    "Wavy_Hair": ("wavy hair",),
}
WEARS: Final = {
    "Eyeglasses": ("eyeglasses", "glasses"),
    "Heavy_Makeup": ("heavy makeup",),
    "Wearing_Earrings": ("earrings",),
    "Wearing_Hat": ("a hat",),
    "Wearing_Lipstick": ("lipstick",),
    "Wearing_Necklace": ("a necklace",),
    "Wearing_Necktie": ("a necktie",),
}
ATTRIBUTES: Final = (*IS, *HAS, *WEARS, "Male", "No_Beard", "Blurry")
"""All 40. ``No_Beard`` is said of men only, and ``Blurry`` is no word for a face: it is not said at all."""

_COLOURS: Final = ("Black", "Blond", "Brown", "Gray")
_SHAPES: Final = ("Straight", "Wavy")


@dataclass(frozen=True, slots=True)
class FaceCaptions(Sequence[str]):
    """The sentences of one picture, made when they are asked for."""

    name: str
    """Of the picture: pictures with the same marks are worded differently."""
    marks: frozenset[str]
    sentences: int

    @override
    def __len__(self) -> int:
        return self.sentences

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    @override
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self.sentences))]
        if not -self.sentences <= index < self.sentences:
            raise IndexError(f"there is no caption {index}; there are {self.sentences}")
        return describe(self.marks, np.random.default_rng([zlib.crc32(self.name.encode()), index % self.sentences]))


def describe(marks: frozenset[str], chance: np.random.Generator) -> str:
    """One to four sentences that say some of the marks."""
    male = "Male" in marks
    clauses = [clause for clause in _clauses(_some(marks, chance), male, chance) if clause]
    noun = "man" if male else "woman"
    subject = _one_of((f"This {noun}", f"The {noun}", "This person", "The person", f"A {noun}"), chance)
    if not clauses:
        return f"{subject} looks into the camera."
    sentences: list[str] = []
    while clauses:
        said = clauses.pop(0)
        if clauses and chance.random() < 0.4:
            said = f"{said} and {clauses.pop(0)}"
        sentences.append(f"{subject} {said}.")
        subject = "He" if male else "She"
    return " ".join(sentences).format(his="his" if male else "her")


def _some(marks: frozenset[str], chance: np.random.Generator) -> list[str]:
    """Half of the marks or more, in any order: nobody says all that there is to see."""
    sayable = [name for name in ATTRIBUTES if name in marks and name not in {"Male", "Blurry"}]
    if "Male" not in marks and "No_Beard" in sayable:
        sayable.remove("No_Beard")
    count = int(chance.integers((len(sayable) + 1) // 2, len(sayable) + 1)) if sayable else 0
    return [sayable[int(index)] for index in chance.permutation(len(sayable))[:count]]


def _clauses(said: list[str], male: bool, chance: np.random.Generator) -> list[str]:
    """What follows the subject: ``is …``, ``has …``, ``wears …``, in any order."""
    merged = _hair(said, chance) if chance.random() < 0.7 else ""
    has = [_one_of(HAS[name], chance) for name in said if name in HAS]
    if merged:
        has.insert(int(chance.integers(len(has) + 1)), merged)
    if male and "No_Beard" in said:
        has.append("no beard")
    wears = _one_of(("wears", "is wearing"), chance)
    clauses = [
        _clause("is", [_one_of(IS[name], chance) for name in said if name in IS], chance),
        _clause(wears, [_one_of(WEARS[name], chance) for name in said if name in WEARS], chance),
        # four things at a time are as many as anyone says in one breath
        *(_clause("has", has[start : start + 4], chance) for start in range(0, len(has), 4)),
    ]
    return [clauses[int(index)] for index in chance.permutation(len(clauses))]


def _hair(said: list[str], chance: np.random.Generator) -> str:
    """Colour and shape in one, such as ``wavy brown hair``; takes both out of what is to be said."""
    colour = next((name for name in _COLOURS if f"{name}_Hair" in said), None)
    shape = next((name for name in _SHAPES if f"{name}_Hair" in said), None)
    if colour is None or shape is None:
        return ""
    said.remove(f"{colour}_Hair")
    said.remove(f"{shape}_Hair")
    first, second = (shape, colour) if chance.random() < 0.8 else (colour, shape)
    return f"{first.lower()} {second.lower()} hair"


def _clause(verb: str, things: list[str], chance: np.random.Generator) -> str:
    if not things:
        return ""
    if len(things) == 1:
        return f"{verb} {things[0]}"
    comma = "," if len(things) > 2 and chance.random() < 0.5 else ""
    return f"{verb} {', '.join(things[:-1])}{comma} and {things[-1]}"


def _one_of(choices: Sequence[str], chance: np.random.Generator) -> str:
    return choices[int(chance.integers(len(choices)))]


def face_rows(table: Path) -> Iterator[tuple[str, frozenset[str] | RejectedError]]:
    """Name of each picture with what is marked ``1``, as in ``list_attr_celeba.txt``.

    That file begins with how many rows there are, then names the columns, then has a row a picture: its name, and 1 or
    -1 in each column. Raises :class:`DatasetError` when the columns are no attributes of faces.
    """
    try:
        lines = [line for line in table.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise DatasetError(f"{table}: cannot be read ({error.strerror}); make it readable") from None
    if lines and lines[0].strip().isdigit():
        lines = lines[1:]
    columns = lines[0].decode("utf-8", "replace").split() if lines else []
    if not set(columns) & set(ATTRIBUTES):
        raise DatasetError(
            f"{table}: its columns ({printable(' '.join(columns[:5])) or 'none'}) are no attributes of faces; "
            "name them as list_attr_celeba.txt does, such as Smiling"
        )
    for line in lines[1:]:
        yield _face_row(line, columns)


def _face_row(line: bytes, columns: list[str]) -> tuple[str, frozenset[str] | RejectedError]:
    name, *marks = line.decode("utf-8", "replace").split()
    try:
        decode_text(line)
    except RejectedError as rejected:
        return name, rejected
    if len(marks) != len(columns):
        return name, RejectedError(Reason.WRONG_COLUMNS, f"{len(marks)} marks instead of {len(columns)}")
    if not set(marks) <= {"1", "-1", "0"}:
        return name, RejectedError(Reason.WRONG_COLUMNS, "marks should be 1 or -1")
    return name, frozenset(column for column, mark in zip(columns, marks, strict=True) if mark == "1")
