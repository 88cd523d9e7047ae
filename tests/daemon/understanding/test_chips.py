"""What was understood, in a few words."""

import pytest

from speakage_daemon.events import Start
from speakage_daemon.understanding.canvas import Canvas, Sheet
from speakage_daemon.understanding.chips import described
from speakage_daemon.understanding.commands import understand
from speakage_daemon.understanding.meaning import Command, Edit, OnThings, Plain
from speakage_daemon.understanding.reading import scene_of

PHOTO = Start(image_id="photo", strength=0.6)


@pytest.mark.parametrize(
    ("said", "chips"),
    [
        ("a red dog and an owl on a beach at night as a comic, spooky, no people", (
            *("create", "a red dog", "an owl", "background: on a beach", "time: at night", "style: as a comic"),
            *("mood: spooky", "without: people"),
        )),
        ("make it blue", ("edit", "colour: blue", "car")),
        ("make the trees big", ("edit", "size: big", "trees")),
        ("bigger", ("edit", "size: bigger", "car")),
        ("smaller", ("edit", "size: smaller", "car")),
        ("make it round", ("edit", "round", "car")),
        ("less shiny", ("edit", "not shiny", "car")),
        ("make it four", ("edit", "number: four", "car")),
        ("move it to the left", ("edit", "place: on the left", "car")),
        ("put the car under the trees", ("edit", "place: under trees", "car")),
        ("swap the car and the trees", ("edit", "swap", "car and trees")),
        ("remove the trees", ("edit", "remove", "trees")),
        ("make it a bus", ("edit", "replace by: a bus", "car")),
        ("add a moon and a star", ("edit", "add", "a moon", "a star")),
        ("in the forest", ("edit", "background: in the forest")),
        ("no background", ("edit", "background: none")),
        ("make it night", ("edit", "time: at night")),
        ("in oil", ("edit", "style: in oil")),
        ("no style", ("edit", "style: none")),
        ("make it spooky", ("edit", "mood: spooky")),
        ("less dreamy", ("edit", "mood: not dreamy")),
        ("no people", ("edit", "without: people")),
        ("cats are okay", ("edit", "allowed: cats")),
        ("make it wider", ("edit", "shape: wide")),
        ("more like that", ("edit", "more like that")),
        ("undo", ("command", "undo")),
        ("undo twice", ("command", "undo × 2")),
        ("redo", ("command", "redo")),
        ("redo three times", ("command", "redo × 3")),
        ("save that", ("command", "save")),
        ("the third picture", ("command", "picture 3")),
        ("the last picture", ("command", "last picture")),
        ("the previous picture", ("command", "previous picture")),
        ("ten steps", ("command", "steps: 10")),
        ("more steps", ("command", "steps: more")),
        ("fewer steps", ("command", "steps: fewer")),
        ("256 by 512", ("command", "size: 256 × 512")),
        ("a bigger picture", ("command", "picture: larger")),
        ("a smaller picture", ("command", "picture: smaller")),
        ("seed 42", ("command", "seed: 42")),
        ("guidance 7.5", ("command", "guidance: 7.5")),
        ("more guidance", ("command", "guidance: more")),
        ("less guidance", ("command", "guidance: less")),
        ("show me four", ("command", "pictures at once: 4")),
        ("only a little", ("command", "strength: 0.35")),
        ("a bit more", ("command", "strength: more")),
        ("a bit less", ("command", "strength: less")),
    ],
)  # fmt: skip
def test_the_chips_say_what_was_understood(said: str, chips: tuple[str, ...]) -> None:
    scene = scene_of("a shiny car and three trees, dreamy, no cats")
    canvas = Canvas(sheet=Sheet(steps=6, guidance=5.0, width=512, height=512, scene=scene, start=PHOTO))
    assert described(understand(said, canvas)) == chips


def test_every_meaning_has_chips() -> None:
    for order in Plain:
        assert described(Command(order=order)) == ("command", order.value)
    for wrong in ("undo", Command(order="undo"), Edit(changes=("undo",)), Edit(changes=(OnThings(at=(0,), name=""),))):
        with pytest.raises(AssertionError):
            described(wrong)
