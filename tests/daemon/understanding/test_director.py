"""What is painted when."""

from speakage_daemon.events import PromptCreate
from speakage_daemon.understanding.director import Canvas, Director, Paint, Promote


def director() -> Director:
    return Director(Canvas(steps=6, negative="people"))


def test_a_pause_paints_on_trial_and_the_end_promotes() -> None:
    painting = director()
    first = painting.at_pause(1, "paint me a car on a beach", 7)
    assert first == Paint(
        utterance=1,
        revision=1,
        transcript="paint me a car on a beach",
        prompt="a car on a beach",
        negative="people",
        seed=7,
        steps=6,
        final=False,
    )
    assert painting.at_end(1, "paint me a car on a beach", 8) == Promote(utterance=1, revision=1)


def test_words_added_after_the_pause_are_painted_with_the_same_seed() -> None:
    painting = director()
    painting.at_pause(1, "a car", 7)
    second = painting.at_end(1, "a car on a beach", 8)
    assert isinstance(second, Paint)
    assert (second.revision, second.prompt, second.seed, second.final) == (2, "a car on a beach", 7, True)


def test_a_second_pause_with_the_same_words_costs_nothing() -> None:
    painting = director()
    painting.at_pause(1, "a car", 7)
    assert painting.at_pause(1, "A car.", 8) is None
    assert painting.at_end(1, "a car", 9) == Promote(utterance=1, revision=1)


def test_every_utterance_is_a_new_picture() -> None:
    painting = director()
    painting.at_pause(1, "a car", 7)
    again = painting.at_pause(2, "a car", 8)
    assert isinstance(again, Paint)
    assert (again.utterance, again.revision, again.seed) == (2, 1, 8)


def test_an_end_without_a_pause_paints_the_final_at_once() -> None:
    final = director().at_end(3, "a boat", 1)
    assert isinstance(final, Paint)
    assert final.final


def test_nothing_said_is_nothing_painted() -> None:
    assert director().at_pause(1, "", 1) is None
    assert director().at_end(1, "please", 1) is None


def test_a_typed_prompt_is_taken_to_the_letter() -> None:
    painting = director()
    typed = painting.typed(4, PromptCreate(prompt="please, a car", adapters=("dog:0.5",)), 5)
    assert (typed.prompt, typed.transcript, typed.steps, typed.final) == ("please, a car", "please, a car", 6, True)
    assert typed.adapters == ("dog:0.5",)
    assert painting.typed(5, PromptCreate(prompt="a car", steps=2), 5).steps == 2
