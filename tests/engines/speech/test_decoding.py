"""Of several readings of what was heard, the one that is believed."""

import pytest

from speakage_engines.speech.decoding import UNLIKELY, Hypothesis, choose
from speakage_engines.speech.warm_up import shipped_clip
from speakage_engines.speech.whisper import ShortContextWhisper


def readings(**scores: float) -> list[Hypothesis]:
    return [
        Hypothesis(text=text.replace("_", " "), log_probability=score, mean_log_probability=score, no_speech=0.0)
        for text, score in scores.items()
    ]


def doubt(text: str) -> int:
    return len(set(text.split()) & {"beaver", "stone", "zorka"})


@pytest.mark.parametrize(
    ("heard", "believed"),
    [
        (readings(a_beaver=-2.4, a_bear=-4.0), "a bear"),
        (readings(a_beaver=-2.0, a_bear=-4.1), "a beaver"),
        (readings(a_dog=-2.0, a_bear=-2.1), "a dog"),
        (readings(a_beaver=-2.0, a_stone=-2.1), "a beaver"),
        (readings(zorka=-0.1, a=-0.2, **{"": -0.3}), "a"),
        (readings(zorka=-0.1, **{"": -0.3}), "zorka"),
        (readings(a_stone_zorka=-0.1, a_stone_bear=-3.0, a_bear_bear=-4.5), "a stone zorka"),
        (readings(a_stone_zorka=-0.1, a_stone_bear=-3.0, a_bear_bear=-4.0), "a bear bear"),
    ],
)
def test_what_is_likely_wins_when_it_was_heard_almost_as_well(heard: list[Hypothesis], believed: str) -> None:
    assert UNLIKELY == 2.0, "the scores above are around it"
    assert choose(heard, doubt).text == believed
    assert choose(heard, None) is heard[0]


def test_words_heard_clearly_stay_and_others_give_way(ears: ShortContextWhisper) -> None:
    clip = shipped_clip().audio
    plain = ears.transcribe(clip)
    clear = ears.transcribe(clip, doubt=lambda text: "castle" in text)
    assert (clear.text, clear.average_log_probability) == (plain.text, plain.average_log_probability)
    other = ears.transcribe(clip, doubt=lambda text: 100 * ("castle" in text))
    assert "castle" not in other.text
    assert len(other.text.split()) >= len(plain.text.split()) or other.rejection
    assert other.average_log_probability < plain.average_log_probability
