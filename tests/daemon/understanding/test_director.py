"""What is painted when."""

import pytest

from speakage_daemon.events import CanvasStart, PromptCreate, Start
from speakage_daemon.understanding.canvas import Canvas, Sheet
from speakage_daemon.understanding.director import Director, Paint, Promote
from speakage_daemon.understanding.meaning import Command, Create, Edit, Plain


def director(negative: str = "people") -> Director:
    sheet = Sheet(steps=6, guidance=2.5, width=128, height=128)
    return Director(Canvas(sheet=sheet, standing_negative=negative), most_pixels=256 * 256)


def painted(painting: Director, utterance: int, text: str, seed: int = 0) -> Paint:
    decision = painting.at_end(utterance, text, seed or 100 + utterance).decision
    assert isinstance(decision, Paint)
    return decision


def test_a_pause_paints_on_trial_and_the_end_promotes() -> None:
    painting = director()
    first = painting.at_pause(1, "paint me a car on a beach", 7)
    assert first.decision == Paint(
        utterance=1,
        revision=1,
        transcript="paint me a car on a beach",
        prompt="a car on a beach",
        negative="people",
        seed=7,
        steps=6,
        final=False,
    )
    assert isinstance(first.meaning, Create)
    assert painting.at_end(1, "paint me a car on a beach", 8).decision == Promote(utterance=1, revision=1)


def drafted(painting: Director, utterance: int, text: str) -> Paint:
    decision = painting.while_speaking(utterance, text, 7).decision
    assert isinstance(decision, Paint)
    return decision


def test_settled_words_are_painted_in_one_step_without_their_unfinished_tail() -> None:
    painting = director()
    assert painting.while_speaking(1, "a red", 7).decision is None
    first = drafted(painting, 1, "a red house next to the")
    assert (first.prompt, first.steps, first.seed, first.final) == ("a red house", 1, 7, False)
    assert painting.while_speaking(1, "a red house next to the", 8).decision is None
    second = drafted(painting, 1, "a red house next to the sea")
    assert (second.prompt, second.revision, second.seed) == ("a red house next to the sea", 2, 7)


def test_the_pause_paints_a_drafts_words_in_all_steps() -> None:
    painting = director()
    drafted(painting, 1, "a car")
    full = painting.at_pause(1, "a car", 8).decision
    assert isinstance(full, Paint)
    assert (full.steps, full.seed, full.revision) == (6, 7, 2)


def test_a_model_of_one_step_is_done_with_its_draft() -> None:
    painting = Director(Canvas(sheet=Sheet(steps=1, guidance=0.0, width=512, height=512)))
    drafted(painting, 1, "a car")
    assert painting.at_pause(1, "a car", 8).decision is None
    assert painting.at_end(1, "a car", 8).decision == Promote(utterance=1, revision=1)


def test_words_that_were_painted_whole_are_not_drafted_again() -> None:
    painting = director()
    painting.at_pause(1, "a car", 7)
    assert painting.while_speaking(1, "a car on a", 8).decision is None


def test_an_edit_is_drafted_once_it_is_one_and_nothing_jumps_before() -> None:
    painting = director()
    painted(painting, 1, "a castle in the snow", 7)
    assert painting.while_speaking(2, "make the castle", 8).decision is None
    assert drafted(painting, 2, "make the castle blue").prompt == "a blue castle in the snow"
    assert painting.while_speaking(3, "please remove", 8).decision is None
    assert drafted(painting, 3, "a boat").prompt == "a boat"


def test_commands_and_what_cannot_be_done_are_not_drafted() -> None:
    painting = director("")
    painted(painting, 1, "a castle", 7)
    for said in ("undo", "show me four", "1024 by 1024"):
        assert painting.while_speaking(2, said, 8).decision is None
    nothing = director("")
    assert nothing.while_speaking(1, "no people", 8).decision is None


def test_words_added_after_the_pause_are_painted_with_the_same_seed() -> None:
    painting = director()
    painting.at_pause(1, "a car", 7)
    second = painted(painting, 1, "a car on a beach", 8)
    assert (second.revision, second.prompt, second.seed, second.final) == (2, "a car on a beach", 7, True)


def test_a_second_pause_with_the_same_words_costs_nothing() -> None:
    painting = director()
    painting.at_pause(1, "a car", 7)
    assert painting.at_pause(1, "A car.", 8).decision is None
    assert painting.at_end(1, "a car", 9).decision == Promote(utterance=1, revision=1)


def test_a_new_description_is_a_new_picture() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    again = painted(painting, 2, "a boat", 8)
    assert (again.utterance, again.revision, again.seed, again.prompt) == (2, 1, 8, "a boat")


def test_an_end_without_a_pause_paints_the_final_at_once() -> None:
    assert painted(director(), 3, "a boat", 1).final


def test_nothing_said_is_nothing_painted() -> None:
    silence = director().at_pause(1, "", 1)
    assert (silence.meaning, silence.decision) == (None, None)
    polite = director().at_end(1, "please", 1)
    assert (polite.meaning, polite.decision) == (Command(order=Plain.NOTHING), None)


def test_an_edit_changes_the_picture_and_keeps_its_seed() -> None:
    painting = director()
    painted(painting, 1, "a car on a beach", 7)
    edit = painted(painting, 2, "make it blue", 8)
    assert (edit.prompt, edit.seed, edit.revision) == ("a blue car on a beach", 7, 1)
    assert painted(painting, 3, "add a moon", 9).prompt == "a blue car and a moon on a beach"


def test_an_edits_revisions_do_not_add_up() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    trial = painting.at_pause(2, "add a moon", 8)
    assert isinstance(trial.meaning, Edit)
    assert isinstance(trial.decision, Paint)
    assert (trial.decision.prompt, trial.decision.final) == ("a car and a moon", False)
    assert painting.at_pause(2, "add a moon", 8).decision is None
    assert painted(painting, 2, "add a moon and a star", 8).prompt == "a car, a moon and a star"


def test_an_edit_that_was_painted_at_the_pause_is_promoted_and_stands() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    painting.at_pause(2, "add a moon", 8)
    assert painting.at_end(2, "add a moon", 8).decision == Promote(utterance=2, revision=1)
    assert painting.canvas.prompt == "a car and a moon"


def test_undo_paints_what_there_was_with_its_own_seed_and_redo_the_other_again() -> None:
    painting = director()
    first, second = painted(painting, 1, "a car", 7), painted(painting, 2, "a boat", 8)
    back = painted(painting, 3, "undo", 9)
    assert (back.prompt, back.seed, back.final) == (first.prompt, 7, True)
    forth = painted(painting, 4, "redo", 10)
    assert (forth.prompt, forth.seed) == (second.prompt, 8)


def test_a_command_is_followed_at_the_end_only() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    trial = painting.at_pause(2, "undo", 8)
    assert isinstance(trial.meaning, Command)
    assert trial.decision is None
    assert painting.canvas.prompt == "a car"


def test_again_is_the_same_words_with_another_seed() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    again = painted(painting, 2, "again", 8)
    assert (again.prompt, again.seed) == ("a car", 8)


def test_steps_are_set_by_voice() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    more = painted(painting, 2, "use twelve steps", 8)
    assert (more.prompt, more.seed, more.steps) == ("a car", 7, 12)


def test_what_is_not_wanted_is_painted_without() -> None:
    painting = director()
    painted(painting, 1, "a street", 7)
    assert painted(painting, 2, "no cars", 8).negative == "people, cars"
    assert director("").at_end(1, "no cars", 7).decision is None


@pytest.mark.parametrize(
    "order", ["save that", "stop listening", "what can I say", "never mind", "undo", "keep this seed"]
)
def test_orders_for_others_and_those_that_change_nothing_paint_nothing(order: str) -> None:
    painting = director()
    if order != "undo":
        painted(painting, 1, "a car", 7)
    verdict = painting.at_end(2, order, 8)
    assert isinstance(verdict.meaning, Command)
    assert verdict.decision is None


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("make it wider", (192, 128)),
        ("portrait format", (128, 192)),
        ("double the size", (256, 256)),
        ("192 by 64", (192, 64)),
        ("make it square", (64, 64)),
        ("undo", None),
        ("make it tall and add a dog", (128, 192)),
    ],
)
def test_another_size_is_painted_until_it_is_changed_or_undone(said: str, size: tuple[int, int] | None) -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    first = painted(painting, 2, "half the size", 8)
    assert (first.size, first.seed) == ((64, 64), 7)
    if said not in ("undo", "make it square"):
        painting.at_end(3, "undo", 8)
    decision = painting.at_end(4, said, 8).decision
    assert isinstance(decision, Paint)
    assert (decision.size, decision.seed) == (size, 7)
    assert painted(painting, 5, "a boat", 9).size == size, "what is new has it too"
    typed = painting.typed(6, PromptCreate(prompt="a castle"), 5)
    assert typed.size == size


def test_sides_are_multiples_of_what_the_model_takes() -> None:
    painting = Director(Canvas(sheet=Sheet(steps=6, guidance=2.5, width=128, height=128, grain=32)))
    painted(painting, 1, "a car", 7)
    asked = painting.at_end(2, "150 by 170", 8).decision
    assert isinstance(asked, Paint)
    assert asked.size == (160, 160)
    smallest = painting.at_end(3, "16 by 16", 8).decision
    assert isinstance(smallest, Paint)
    assert smallest.size == (64, 64)


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("said", ["512 by 512", "384 by 256"])
def test_what_cannot_be_done_is_told_and_changes_nothing(said: str, started: bool) -> None:
    painting = director()
    if started:
        painting.start_from(PHOTO)
    painted(painting, 1, "a car", 7)
    before = painting.canvas
    verdict = painting.at_end(2, said, 8)
    wanted = "while a picture is started from" if started else "this model paints 65536 pixels at most"
    assert wanted in verdict.cannot
    assert verdict.decision is None
    assert painting.canvas == before


def test_several_pictures_are_painted_at_once_and_one_of_them_is_gone_on_with() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    four = painting.at_end(2, "show me four", 8).decision
    assert isinstance(four, Paint)
    assert (four.seeds, four.steps, four.all_steps) == ((7, 8, 9, 10), 6, 24)
    third = painting.at_end(3, "the third one", 8).decision
    assert isinstance(third, Paint)
    assert (third.seeds, third.prompt) == ((9,), "a car")
    like = painting.at_end(4, "more like that", 8).decision
    assert isinstance(like, Paint)
    assert like.seeds == (9, 10, 11, 12)
    assert painting.at_end(5, "the seventh one", 8).decision is None, "there are four"
    back = painting.at_end(6, "undo", 8).decision
    assert isinstance(back, Paint)


def test_a_draft_is_one_picture() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    painting.at_end(2, "show me four", 8)
    draft = painting.while_speaking(3, "a house in the snow", 9).decision
    assert isinstance(draft, Paint)
    assert (draft.batch, draft.steps) == (1, 1)
    whole = painting.at_pause(3, "a house in the snow", 9).decision
    assert isinstance(whole, Paint)
    assert whole.batch == 4
    assert painting.while_speaking(3, "a house in the snow", 9).decision is None


def test_guidance_is_changed_by_voice_and_stays() -> None:
    painting = director()
    assert painted(painting, 1, "a car", 7).guidance is None
    for number, (said, guidance) in enumerate(
        [("set the guidance to five", 5), ("less guidance", 3.5), ("make it blue", 3.5), ("undo", 3.5), ("undo", 5),
         ("undo", None), ("guidance zero", 1)], 2,
    ):  # fmt: skip
        decision = painting.at_end(number, said, 8).decision
        assert isinstance(decision, Paint)
        assert decision.guidance == guidance, said
    assert painting.typed(20, PromptCreate(prompt="a dog"), 5).guidance == 1


@pytest.mark.parametrize("said", ["set the guidance to five", "more guidance"])
def test_a_model_without_guidance_is_given_none(said: str) -> None:
    painting = Director(Canvas(sheet=Sheet(steps=1, guidance=0.0, width=512, height=512)))
    painted(painting, 1, "a car", 7)
    verdict = painting.at_end(2, said, 8)
    assert (verdict.decision, verdict.cannot) == (None, "guidance: this model paints without")


@pytest.mark.parametrize("said", ["no people", "without the tree"])
def test_a_model_without_guidance_cannot_leave_out_what_nobody_asked_for(said: str) -> None:
    painting = Director(Canvas(sheet=Sheet(steps=1, guidance=1.0, width=512, height=512)))
    painted(painting, 1, "a car and a house", 7)
    verdict = painting.at_end(2, said, 8)
    assert verdict.decision is None
    assert verdict.cannot == "leaving out what nobody asked for: this model paints without guidance"
    assert isinstance(painting.at_end(3, "without the house", 8).decision, Paint), (
        "what was asked for can be taken away"
    )


def test_the_director_knows_which_words_lack_something_for_its_picture() -> None:
    painting = director()
    assert painting.lacks_something("make it")
    painted(painting, 1, "a car", 7)
    assert not painting.lacks_something("make it blue")
    assert painting.lacks_something("a house next to the")


def test_a_typed_prompt_is_taken_to_the_letter() -> None:
    painting = director()
    typed = painting.typed(4, PromptCreate(prompt="please, a car", adapters=("dog:0.5",)), 5)
    assert (typed.prompt, typed.transcript, typed.steps, typed.final) == ("please, a car", "please, a car", 6, True)
    assert typed.adapters == ("dog:0.5",)
    assert painting.typed(5, PromptCreate(prompt="a car", steps=2), 5).steps == 2


def test_what_was_typed_can_be_changed_by_voice() -> None:
    painting = director()
    painting.typed(1, PromptCreate(prompt="a castle in the snow"), 5)
    edit = painted(painting, 2, "add a dragon", 6)
    assert (edit.prompt, edit.seed) == ("a castle and a dragon in the snow", 5)


PHOTO = CanvasStart(image_id="photo")
START = Start(image_id="photo", strength=0.6)


def test_what_is_started_from_has_the_models_own_size() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    assert painted(painting, 2, "make it wider", 7).size == (192, 128)
    painting.start_from(PHOTO)
    assert painted(painting, 3, "a castle", 7).size is None
    typed = painting.typed(4, PromptCreate(prompt="a dog", image_id="photo"), 5)
    assert (typed.size, typed.start) == (None, START)


def test_what_is_said_changes_the_picture_that_was_brought() -> None:
    painting = director()
    painted(painting, 1, "a car on a beach")
    painting.start_from(PHOTO)
    castle = painted(painting, 2, "a castle in the snow", 7)
    assert (castle.prompt, castle.start) == ("a castle in the snow", START)
    edit = painted(painting, 3, "make it blue")
    assert (edit.prompt, edit.start, edit.seed) == ("a blue castle in the snow", START, 7)
    painting.start_from(CanvasStart())
    assert painted(painting, 4, "add a dragon").start is None


def test_another_strength_is_another_picture_of_the_same_words_and_seed() -> None:
    painting = director()
    painting.start_from(PHOTO)
    castle = painted(painting, 1, "a castle", 7)
    little = painted(painting, 2, "only a little")
    assert (little.prompt, little.seed, little.start) == ("a castle", 7, Start(image_id="photo", strength=0.35))
    assert castle.start == START
    assert painted(painting, 3, "strength eighty percent").start == Start(image_id="photo", strength=0.8)
    assert painting.at_end(4, "clear", 1).decision is None
    assert painted(painting, 5, "a dog").start is None


def test_a_strength_without_a_picture_is_told_and_loose_words_stay_words() -> None:
    painting = director()
    painted(painting, 1, "a car", 7)
    verdict = painting.at_end(2, "strength 0.4", 8)
    assert verdict.cannot == "a strength without a picture to start from"
    assert verdict.decision is None
    assert isinstance(painting.at_end(3, "only slightly", 8).meaning, Create)


def test_a_part_is_painted_anew_whole_unless_something_else_is_asked_for() -> None:
    painting = director()
    typed = painting.typed(1, PromptCreate(prompt="a moon", image_id="photo", mask_id="part"), 5)
    assert typed.start == Start(image_id="photo", mask_id="part", strength=1.0)
    painting.start_from(CanvasStart(image_id="photo", mask_id="other", strength=0.7))
    assert painting.typed(2, PromptCreate(prompt="a star"), 5).start == Start(
        image_id="photo", mask_id="other", strength=0.7
    )


def test_a_picture_that_comes_while_someone_speaks_is_what_is_painted() -> None:
    painting = director()
    assert drafted(painting, 1, "a castle").start is None
    painting.start_from(PHOTO)
    assert painted(painting, 1, "a castle", 7).start == START
    assert painting.canvas.sheet.start == START


def test_new_prompts_of_final_pictures_may_be_rewritten_and_no_others() -> None:
    painting = director()
    assert painting.while_speaking(1, "a car", 7).wording is None
    assert painting.at_pause(1, "a car", 7).wording is None
    end = painting.at_end(1, "a car", 7)
    assert isinstance(end.decision, Promote)
    assert end.wording is not None
    assert (end.wording.prompt, end.wording.revision, end.wording.final) == ("a car", 3, True)
    edit = painting.at_end(2, "make it blue", 8)
    assert edit.wording == edit.decision
    assert painting.at_end(3, "undo", 9).wording is None
    assert painting.at_end(4, "1024 by 1024", 9).wording is None
    assert director("").at_end(1, "no people", 9).wording is None


def test_rewritten_words_are_painted_wherever_their_picture_is() -> None:
    painting = director()
    car = painted(painting, 1, "a car", 7)
    bright = painting.rewritten(car, "a car in the sun")
    assert (bright.prompt, bright.rewritten_from, bright.seed) == ("a car in the sun", "a car", 7)
    assert painting.canvas.prompt == "a car"
    like = painting.at_end(2, "more like that", 8)
    assert like.wording is None, "these words are known"
    assert isinstance(like.decision, Paint)
    assert (like.decision.prompt, like.decision.rewritten_from) == ("a car in the sun", "a car")
    assert painted(painting, 3, "make it blue").prompt == "a blue car"
    painted(painting, 4, "undo")
    assert painted(painting, 5, "undo").prompt == "a car in the sun"


def test_words_that_come_after_the_next_utterance_began_are_not_lost_by_it() -> None:
    painting = director()
    car = painted(painting, 1, "a car", 7)
    painting.while_speaking(2, "make", 8)
    painting.rewritten(car, "a car in the sun")
    painted(painting, 2, "make it blue", 8)
    assert painted(painting, 3, "undo").prompt == "a car in the sun"
