"""LocalAgreement-2, and what always holds."""

from hypothesis import given
from hypothesis import strategies as st

from speakage_daemon.understanding.stabiliser import Stabiliser, Words


def test_a_word_is_committed_when_two_hypotheses_agree() -> None:
    stabiliser = Stabiliser()
    assert stabiliser.update("a car") == Words("", "a car")
    assert stabiliser.update("a car on") == Words("a car", "on")
    assert stabiliser.update("a car under the") == Words("a car", "under the")
    assert stabiliser.update("a car under the sea") == Words("a car under the", "sea")


def test_case_and_punctuation_are_no_disagreement() -> None:
    stabiliser = Stabiliser()
    stabiliser.update("A car,")
    assert stabiliser.update("a Car on") == Words("a Car", "on")


def test_words_of_punctuation_alone_are_compared_as_they_are() -> None:
    stabiliser = Stabiliser()
    stabiliser.update("— a")
    assert stabiliser.update("… a") == Words("", "… a")


def test_a_shorter_hypothesis_takes_nothing_back() -> None:
    stabiliser = Stabiliser()
    stabiliser.update("a car on a beach")
    stabiliser.update("a car on a beach")
    assert stabiliser.update("a") == Words("a car on a beach", "")


def test_settling_commits_the_whole_text_and_lets_older_words_go() -> None:
    stabiliser = Stabiliser()
    stabiliser.update("a cow on")
    stabiliser.update("a cow on")
    assert stabiliser.settle("a car on a beach") == Words("a car on a beach", "")
    assert stabiliser.update("a car on a beach at night") == Words("a car on a beach", "at night")


texts = st.lists(st.sampled_from(["a", "car", "on", "the", "moon", "Moon,", "…"]), max_size=8).map(" ".join)


@given(st.lists(texts, max_size=8))
def test_committed_words_only_grow(hypotheses: list[str]) -> None:
    stabiliser = Stabiliser()
    committed = ""
    for hypothesis in hypotheses:
        words = stabiliser.update(hypothesis)
        assert words.committed.split()[: len(committed.split())] == committed.split()
        committed = words.committed


@given(texts)
def test_the_same_hypothesis_twice_is_committed_whole(text: str) -> None:
    stabiliser = Stabiliser()
    stabiliser.update(text)
    assert stabiliser.update(text) == Words(text, "")
