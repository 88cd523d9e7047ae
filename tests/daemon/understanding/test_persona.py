"""Who was called paints in their own way."""

from speakage_daemon.config import Persona
from speakage_daemon.understanding.director import Paint
from speakage_daemon.understanding.persona import dressed

PAINT = Paint(
    utterance=1, revision=1, transcript="a castle", prompt="a castle", negative="", seed=1, steps=4, final=True
)


def test_nobody_changes_nothing() -> None:
    assert dressed(PAINT, None) == PAINT
    assert dressed(PAINT, Persona(word="alexa", name="Alexa")) == PAINT


def test_a_style_goes_into_the_prompt_and_adapters_onto_the_model() -> None:
    nabu = Persona(word="okay_nabu", name="Nabu", style="watercolor", adapters=("wash:0.8",))
    wearing = dressed(PAINT, nabu)
    assert wearing.prompt == "a castle, watercolor"
    assert wearing.adapters == ("wash:0.8",)
    assert wearing.transcript == "a castle"
