"""What the ears are taught to write: enough words, in the form they write them, and names that are announced."""

from __future__ import annotations

import random
import re

from speakage_engines.training.nouns import FEW, article, every
from speakage_engines.training.phrases import announcement, announcements, invented_name, sentence
from speakage_engines.training.vocabulary import all_nouns, plural, with_article, words


def test_the_vocabulary_is_large() -> None:
    assert len(words()) >= 1_000
    assert len(all_nouns()) >= 500


def test_sentences_use_the_vocabulary_and_the_form_of_transcripts() -> None:
    rng = random.Random(1)
    said = [sentence(rng) for _ in range(20_000)]
    heard = {word for one in said for word in one.text.split()}
    assert len(heard & words()) >= 1_000, "the lists are used, not only long"
    for one in said:
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", one.text), one.text
        assert one.name == "" or one.name in one.text.split()
        unknown = set(one.text.split()) - words() - {one.name}
        assert not unknown, one.text


def test_what_the_embedded_model_paints_is_said_most() -> None:
    rng = random.Random(2)
    said = [word for _ in range(3_000) for word in sentence(rng).text.split()]
    painted = sum(said.count(noun) for noun in FEW) / len(FEW)
    others = [noun for noun in all_nouns() if noun not in FEW and " " not in noun]
    assert painted > 5 * sum(said.count(noun) for noun in others) / len(others)


def test_the_same_generator_says_the_same() -> None:
    first, second = random.Random("a"), random.Random("a")
    assert [sentence(first) for _ in range(50)] == [sentence(second) for _ in range(50)]


def test_every_noun_that_can_be_painted_can_be_heard() -> None:
    known = words()
    missing = {word for noun in every() for word in noun.name.split() if word.isalpha() and word not in known}
    assert not missing


def test_announcements_hold_the_name_among_others() -> None:
    rng = random.Random(3)
    for _ in range(200):
        assert "zorbel" in re.split(r"[ ,]+", announcement(rng, "zorbel").lower())
    assert all(announcement(rng) for _ in range(200)), "something is announced even when nobody is named"
    assert announcements(1) == announcements(1) != announcements(2)


def test_invented_names_are_not_in_the_vocabulary() -> None:
    rng = random.Random(5)
    names = {invented_name(rng) for _ in range(2_000)}
    assert len(names) > 1_800
    assert len(names & words()) < 20
    assert all(re.fullmatch("[a-z]{2,}", name) for name in names)


def test_inflection() -> None:
    cases = {
        "cherry": "cherries",
        "fox": "foxes",
        "monkey": "monkeys",
        "mouse": "mice",
        "cactus": "cacti",
        "child": "children",
    }
    assert {one: plural(one) for one in cases} == cases
    assert [with_article(noun) for noun in ("owl", "unicorn", "hourglass", "rice")] == [
        "an owl",
        "a unicorn",
        "an hourglass",
        "rice",
    ]
    assert article("eucalyptus") == "a"
