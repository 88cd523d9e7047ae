"""The canvas: what stays, what goes, and the way back."""

from dataclasses import replace

import pytest

from speakage_daemon.events import Start
from speakage_daemon.understanding.canvas import Canvas, Sheet, apply, chosen, let_go, painted, reworded, started
from speakage_daemon.understanding.meaning import (
    Choose,
    Command,
    Create,
    Edit,
    MoreLikeThat,
    NudgeGuidance,
    NudgeStrength,
    Order,
    Plain,
    Redo,
    Reshape,
    ScaleSize,
    ScaleSteps,
    SetBatch,
    SetGuidance,
    SetSeed,
    SetSize,
    SetSteps,
    SetStrength,
    Shape,
    Style,
    Undo,
)
from speakage_daemon.understanding.reading import scene_of

BLANK = Canvas(sheet=Sheet(steps=6, guidance=5.0, width=512, height=512))


def create(canvas: Canvas, prompt: str, *seeds: int) -> Canvas:
    return painted(apply(canvas, Create(scene=scene_of(prompt))), seeds)


def order(canvas: Canvas, what: Order) -> Canvas:
    return apply(canvas, Command(order=what))


def sheet(what: Order) -> Sheet:
    return order(create(BLANK, "a dog", 7), what).sheet


def test_prompt_and_negative() -> None:
    canvas = replace(create(BLANK, "a street without cars", 7), standing_negative="text")
    assert (canvas.prompt, canvas.negative) == ("a street", "text, cars")
    assert BLANK.negative == ""


def test_a_new_picture_has_a_new_seed_and_an_edit_keeps_it() -> None:
    dog = create(BLANK, "a dog", 7)
    edited = apply(dog, Edit(changes=(Style(phrase="in oil"),)))
    assert (edited.prompt, edited.sheet.seeds) == ("a dog in oil", (7,))
    assert apply(dog, Create(scene=scene_of("a cat"))).sheet.seeds == ()


def test_a_kept_seed_goes_on_until_another_is_asked_for() -> None:
    kept = order(create(BLANK, "a dog", 7), Plain.KEEP_SEED)
    cat = apply(kept, Create(scene=scene_of("a cat")))
    assert cat.sheet.seeds == (7,)
    for another in (Plain.AGAIN, Plain.SURPRISE):
        anew = order(cat, another)
        assert (anew.sheet.seeds, anew.sheet.seed_kept, anew.prompt) == ((), False, "a cat")
    assert apply(order(cat, SetSeed(seed=42)), Create(scene=scene_of("a bird"))).sheet.seeds == (42,)


def test_what_was_not_wanted_before_the_first_picture_is_not_in_it() -> None:
    blank = replace(BLANK, sheet=replace(BLANK.sheet, scene=scene_of("no people")))
    street = apply(blank, Create(scene=scene_of("a street without cars")))
    assert street.negative == "people, cars"
    assert apply(street, Create(scene=scene_of("a beach"))).negative == ""


def test_undo_and_redo_reach_everything_that_was_said() -> None:
    steps = [BLANK]
    for meaning in (
        Create(scene=scene_of("a dog")),
        Edit(changes=(Style(phrase="in oil"), Reshape(shape=Shape.WIDE))),
        Command(order=SetSteps(steps=9)),
        Command(order=Plain.CLEAR),
        Edit(changes=(MoreLikeThat(),)),
    ):
        steps.append(apply(steps[-1], meaning))
    canvas = steps[-1]
    for before in reversed(steps[:-1]):
        canvas = order(canvas, Undo())
        assert (canvas.sheet, canvas.past) == (before.sheet, before.past)
    assert order(canvas, Undo()) == canvas, "there is nothing before the beginning"
    for after in steps[1:]:
        canvas = order(canvas, Redo())
        assert (canvas.sheet, canvas.past) == (after.sheet, after.past)
    assert order(canvas, Redo()) == canvas
    assert order(canvas, Undo(times=3)).sheet == steps[2].sheet
    assert order(order(canvas, Undo(times=500)), Redo(times=500)) == canvas


def test_something_new_after_an_undo_leaves_nothing_to_redo() -> None:
    canvas = order(create(create(BLANK, "a dog", 1), "a cat", 2), Undo())
    assert apply(canvas, Create(scene=scene_of("a bird"))).future == ()


def test_the_past_has_an_end() -> None:
    canvas = BLANK
    for number in range(600):
        canvas = painted(order(canvas, SetSeed(seed=number)), (number,))
    assert len(canvas.past) == len(canvas.shown) == 500
    assert canvas.past[-1].seeds == (598,)


def test_settings() -> None:
    assert sheet(SetSteps(steps=900)).steps == 100
    assert (sheet(ScaleSteps(factor=2)).steps, sheet(ScaleSteps(factor=0.01)).steps) == (12, 1)
    assert (sheet(SetSize(width=510, height=5_000)).width, sheet(SetSize(width=1, height=5_000)).height) == (512, 2_048)
    assert (sheet(ScaleSize(factor=1.5)).width, sheet(ScaleSize(factor=0.5)).height) == (768, 256)
    assert (sheet(SetGuidance(guidance=7.5)).guidance, sheet(SetGuidance(guidance=99)).guidance) == (7.5, 30)
    assert (sheet(NudgeGuidance(by=1.5)).guidance, sheet(NudgeGuidance(by=-9)).guidance) == (6.5, 1)
    assert sheet(SetSeed(seed=2**32 + 3)).seeds == (3,)


def test_shapes_keep_the_shorter_side() -> None:
    wide = apply(BLANK, Edit(changes=(Reshape(shape=Shape.WIDE),)))
    tall = apply(wide, Edit(changes=(Reshape(shape=Shape.TALL),)))
    square = apply(tall, Edit(changes=(Reshape(shape=Shape.SQUARE),)))
    assert [(canvas.sheet.width, canvas.sheet.height) for canvas in (wide, tall, square)] == [
        (768, 512),
        (512, 768),
        (512, 512),
    ]


def test_four_of_it_begin_with_the_one_that_is_liked() -> None:
    four = apply(create(BLANK, "a dog", 7), Edit(changes=(MoreLikeThat(),)))
    assert (four.sheet.batch, four.sheet.seeds) == (4, (7,))
    assert order(painted(four, (7, 8, 9, 10)), SetBatch(batch=2)).sheet.seeds == (7, 8)


def test_one_of_a_grid_is_chosen_by_its_number() -> None:
    grid = painted(order(create(BLANK, "a dog", 7), SetBatch(batch=4)), (7, 8, 9, 10))
    third = order(grid, Choose(number=3))
    assert (third.sheet.batch, third.sheet.seeds, third.prompt) == (1, (9,), "a dog")
    assert order(third, Undo()).sheet == grid.sheet
    assert order(grid, Choose(number=-1)).sheet.seeds == (10,)
    assert order(grid, Choose(number=5)) == grid, "there is no fifth"


def test_earlier_pictures_are_chosen_by_their_number() -> None:
    canvas = create(create(create(BLANK, "a dog", 1), "a cat", 2), "a bird", 3)
    assert order(canvas, Choose(number=2)).prompt == "a cat"
    assert order(canvas, Choose(number=-2)).prompt == "a cat"
    assert chosen(canvas, 4) is None
    assert chosen(BLANK, -1) is None


def test_what_is_done_elsewhere_leaves_the_canvas_alone() -> None:
    dog = create(BLANK, "a dog", 7)
    for what in (Plain.SAVE, Plain.HELP, Plain.CANCEL, Plain.NOTHING, Plain.STOP_LISTENING, Plain.START_LISTENING):
        assert order(dog, what) == dog


PHOTO = Start(image_id="photo", strength=0.6)
PART = Start(image_id="photo", mask_id="part", strength=1.0)


def test_a_picture_to_start_from_takes_the_words_with_it_and_stays_until_clear() -> None:
    dog = create(BLANK, "a dog", 7)
    photo = started(dog, PHOTO)
    assert (photo.prompt, photo.sheet.start, photo.sheet.seeds) == ("", PHOTO, ())
    castle = create(photo, "a castle", 8)
    assert (castle.prompt, castle.sheet.start) == ("a castle", PHOTO)
    assert order(castle, Plain.AGAIN).sheet.start == PHOTO
    assert order(castle, Plain.CLEAR).sheet.start is None
    assert order(castle, Undo(times=2)).sheet == dog.sheet
    other = started(photo, replace(PHOTO, image_id="other"))
    assert order(other, Undo()).sheet == dog.sheet, "one that nothing was said of is not gone back to"


def test_a_start_is_let_go_as_if_it_had_not_been_where_nothing_was_said_since() -> None:
    dog = create(BLANK, "a dog", 7)
    assert let_go(dog) is dog
    photo = started(dog, PHOTO)
    assert let_go(photo).sheet == dog.sheet
    assert let_go(order(photo, SetStrength(strength=0.4))).sheet == dog.sheet
    part = started(photo, PART)
    assert let_go(part).sheet == photo.sheet
    assert let_go(started(part, replace(PART, mask_id="other"))).sheet == photo.sheet
    assert let_go(started(dog, PART)).sheet == dog.sheet
    assert let_go(replace(BLANK, sheet=photo.sheet)).sheet.start is None, "its past is forgotten"


def test_a_start_is_let_go_but_not_the_words_that_were_said_since() -> None:
    dog = create(BLANK, "a dog", 7)
    castle = create(started(dog, PHOTO), "a castle", 8)
    gone = let_go(castle)
    assert (gone.prompt, gone.sheet.start) == ("a castle", None)
    assert order(gone, Undo()).sheet == castle.sheet
    moon = create(started(castle, PART), "a moon", 9)
    assert (let_go(moon).prompt, let_go(moon).sheet.start) == ("a moon", PHOTO)
    assert let_go(let_go(moon)).sheet.start is None
    assert let_go(create(started(dog, PART), "a moon", 9)).sheet.start is None


def test_the_strength_is_within_its_bounds_and_needs_a_picture() -> None:
    castle = create(started(BLANK, PHOTO), "a castle", 8)
    for what, strength in (
        (SetStrength(strength=0.35), 0.35), (NudgeStrength(by=0.15), 0.75), (NudgeStrength(by=-0.15), 0.45),
        (NudgeStrength(by=0.9), 1.0), (NudgeStrength(by=-0.9), 0.05),
    ):  # fmt: skip
        changed = order(castle, what)
        assert changed.sheet == replace(castle.sheet, start=replace(PHOTO, strength=strength))
    for what in (SetStrength(strength=0.35), NudgeStrength(by=0.15)):
        assert order(BLANK, what).sheet == BLANK.sheet


def test_every_kind_is_handled() -> None:
    with pytest.raises(AssertionError):
        apply(BLANK, "undo")
    with pytest.raises(AssertionError):
        order(BLANK, "undo")
    with pytest.raises(AssertionError):
        apply(BLANK, Edit(changes=(Reshape(shape="round"),)))


def test_a_language_models_words_belong_to_the_pictures_and_not_to_what_is_understood() -> None:
    first = create(BLANK, "a cat", 1)
    dog = reworded(create(first, "a dog", 7), "a dog at dawn")
    assert (dog.prompt, dog.wording, first.wording) == ("a dog", "a dog at dawn", "a cat")
    assert [shown.rewritten for shown in dog.shown] == ["", "a dog at dawn"]
    grid = reworded(painted(order(first, SetBatch(batch=2)), (1, 2)), "cats at dawn")
    assert [shown.rewritten for shown in grid.shown] == ["", "cats at dawn", "cats at dawn"]


def test_another_scene_has_no_words_of_a_language_model_and_the_same_one_keeps_them() -> None:
    dog = reworded(create(BLANK, "a dog", 7), "a dog at dawn")
    for meaning in (
        Create(scene=scene_of("a dog")),
        Edit(changes=(Style(phrase="in oil"),)),
        Command(order=Plain.CLEAR),
        Command(order=Undo()),
    ):
        assert apply(dog, meaning).sheet.rewritten == "", meaning
    assert started(dog, Start(image_id="photo", strength=0.6)).sheet.rewritten == ""
    for meaning in (Edit(changes=(MoreLikeThat(),)), Command(order=Plain.AGAIN), Command(order=SetSteps(steps=2))):
        assert apply(dog, meaning).wording == "a dog at dawn", meaning
    oil = apply(dog, Edit(changes=(Style(phrase="in oil"),)))
    assert order(oil, Undo()).sheet == dog.sheet
    assert order(create(oil, "a cat", 2), Choose(number=1)).wording == "a dog at dawn"
