"""Talking about the picture: the table in docs/talking.md is the specification, and what always holds."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.events import Start
from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.canvas import STRENGTH, Canvas, Sheet, apply, painted, started
from speakage_daemon.understanding.changes import Focused
from speakage_daemon.understanding.chips import described
from speakage_daemon.understanding.commands import understand
from speakage_daemon.understanding.edits import changes_of
from speakage_daemon.understanding.expectation import doubt
from speakage_daemon.understanding.meaning import Command, Create, Edit, Meaning, Plain, Redo, Undo
from speakage_daemon.understanding.reading import scene_of

ROOT = Path(__file__).parents[3]
TITLE = "| before | said | kind | after |"


def rows(page: str) -> list[tuple[str, ...]]:
    """Of every table with the title above."""
    text = (ROOT / page).read_text(encoding="utf-8")
    tables = [part.split("\n\n")[0] for part in text.split(TITLE)[1:]]
    lines = [line for table in tables for line in table.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


ROWS = rows("docs/talking.md")


def canvas(*said: str) -> Canvas:
    """The canvas after some sentences, each painted; "(a picture)" stands for one that somebody brought."""
    after = Canvas(sheet=Sheet(steps=6, guidance=5.0, width=512, height=512))
    for sentence in said:
        if sentence == "(a picture)":
            after = started(after, Start(image_id="photo", strength=STRENGTH))
            continue
        after = shown(apply(after, understand(sentence, after)))
    return after


def shown(before: Canvas) -> Canvas:
    seeds = (*before.sheet.seeds, *range(100 + len(before.shown), 200))
    return painted(before, seeds[: before.sheet.batch])


def outcome(before: Canvas, meaning: Meaning, after: Canvas) -> str:
    """The last cell of a row."""
    prompt = after.prompt or "(empty)"
    if isinstance(meaning, Command):
        return "; ".join([described(meaning)[1], *([prompt] if after.prompt != before.prompt else [])])
    parts = [prompt]
    if after.sheet.scene.negatives:
        parts.append(f"without {', '.join(after.sheet.scene.negatives)}")
    if (after.sheet.width, after.sheet.height) != (before.sheet.width, before.sheet.height):
        parts.append(f"{after.sheet.width} × {after.sheet.height}")
    if after.sheet.batch != before.sheet.batch:
        parts.append(f"{after.sheet.batch} pictures")
    return "; ".join(parts)


@pytest.mark.parametrize(("before", "said", "kind", "after"), ROWS)
def test_what_is_said_is_understood_as_the_table_says(before: str, said: str, kind: str, after: str) -> None:
    until = canvas(*filter(None, (sentence.strip() for sentence in before.split("→"))))
    meaning = understand(said, until)
    assert type(meaning).__name__.lower() == kind
    assert outcome(until, meaning, apply(until, meaning)) == after


@pytest.mark.parametrize(("before", "said", "kind", "after"), rows("README.md"))
def test_the_readme_says_what_is_understood(before: str, said: str, kind: str, after: str) -> None:
    test_what_is_said_is_understood_as_the_table_says(before, said, kind, after)


@pytest.mark.parametrize("said", [said for _, said, kind, _ in ROWS if kind == "command"])
def test_no_command_is_doubted_though_the_picture_model_knows_no_word(said: str) -> None:
    assert doubt(lambda text: text.split())(said) == 0


def test_the_table_is_large_and_has_every_kind() -> None:
    assert len(ROWS) >= 150
    assert {row[2] for row in ROWS} == {"create", "edit", "command"}
    assert len({row[:2] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("before", "said", "kind", "after"), ROWS)
def test_undo_after_any_edit_of_the_table_restores_the_canvas_exactly(
    before: str, said: str, kind: str, after: str
) -> None:
    until = canvas(*filter(None, (sentence.strip() for sentence in before.split("→"))))
    meaning = understand(said, until)
    if isinstance(meaning, Create | Edit):
        edited = apply(until, meaning)
        undone = apply(edited, Command(order=Undo()))
        assert (undone.sheet, undone.past, undone.shown) == (until.sheet, until.past, until.shown)
        assert apply(undone, Command(order=Redo())) == edited


# --- what always holds ------------------------------------------------------------------------------------------------

_SAID = [re.sub(r"[^\w ]", "", row[1]) for row in ROWS]
_VOCABULARY = sorted(
    {word for sentence in _SAID for word in sentence.split()}
    | set(v.COLOURS) | set(v.SIZES) | set(v.MOODS) | {word for link in v.JOINING for word in link.split()}
    | {",", "no", "not", "and", "the", "it", "of", "to", "a", "1", "2.5", "first", "last", "hundred", "point"}
)  # fmt: skip
words = st.lists(st.sampled_from(_VOCABULARY), max_size=12).map(" ".join)
sentences = st.one_of(st.text(max_size=60), words, st.sampled_from(_SAID), st.tuples(words, words).map(", no, ".join))
canvases = st.lists(sentences, max_size=3).map(lambda said: canvas(*said))


@given(canvases, sentences)
def test_the_grammar_never_raises_on_any_text(before: Canvas, said: str) -> None:
    meaning = understand(said, before)
    after = apply(before, meaning)
    assert described(meaning)[0] in ("create", "edit", "command")
    assert isinstance(after.prompt, str)
    assert 0 <= after.sheet.focus <= max(len(after.sheet.scene.things) - 1, 0)


@given(canvases, sentences)
def test_undo_after_any_edit_restores_the_canvas_exactly(before: Canvas, said: str) -> None:
    meaning = understand(said, before)
    if isinstance(meaning, Create | Edit):
        edited = apply(before, meaning)
        undone = apply(edited, Command(order=Undo()))
        assert (undone.sheet, undone.past, undone.shown) == (before.sheet, before.past, before.shown)
        assert apply(undone, Command(order=Redo())) == edited


def test_long_texts_are_pictures_and_take_no_time() -> None:
    long = "make it blue and add a dog " * 300
    assert isinstance(understand(long, canvas("a cat")), Create)
    assert changes_of("blue " * 31, Focused(scene=scene_of("a cat"))) == ()


# --- what the table does not show -------------------------------------------------------------------------------------


def test_nothing_said_is_nothing_to_do() -> None:
    for said in ("", "  ", "please", "sorry", "um"):
        assert understand(said, canvas("a dog")) == Command(order=Plain.NOTHING)


@pytest.mark.parametrize(
    "said", ["make it blue", "in watercolor", "add a moon", "bigger", "on the left a dog", "replace the cat with a dog"]
)
def test_an_edit_without_a_picture_is_a_picture(said: str) -> None:
    assert isinstance(understand(said, canvas()), Create)


@pytest.mark.parametrize(
    "said",
    [
        "replace something with a cat",
        "make it big and one of a kind",
        "make the beach a bit of a mess",
        "change the colour of the moon to blue",
        "give the king a crown",
        "one less cat",
        "undo nothing",
        "seed of doubt",
        "this is sam",
    ],
)
def test_what_only_looks_like_an_edit_is_a_picture_and_is_not_lost(said: str) -> None:
    meaning = understand(said, canvas("a dog on a beach"))
    assert isinstance(meaning, Create)
    assert said.split()[-1] in apply(canvas(), meaning).prompt


def test_not_wanted_before_there_is_a_picture() -> None:
    assert described(understand("remove the dog", canvas())) == ("edit", "without: dog")
