"""Forms of words."""

import pytest

from speakage_daemon.understanding.inflection import article, plural, positive, singular
from speakage_engines.training import vocabulary


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("dog", "dogs"),
        ("toy car", "toy cars"),
        ("cup of coffee", "cups of coffee"),
        ("man with a hat", "men with a hat"),
        ("mouse", "mice"),
        ("fox", "foxes"),
        ("church", "churches"),
        ("dress", "dresses"),
        ("glass", "glasses"),
        ("house", "houses"),
        ("blouse", "blouses"),
        ("fairy", "fairies"),
        ("cookie", "cookies"),
        ("monkey", "monkeys"),
        ("bus", "buses"),
        ("octopus", "octopuses"),
        ("taxi", "taxis"),
        ("tv", "tvs"),
        ("sheep", "sheep"),
    ],
)
def test_one_and_many(one: str, many: str) -> None:
    assert plural(one) == many
    assert plural(many) == many, "a plural stays what it is"
    assert singular(many) == one
    assert singular(one) == one, "a singular stays what it is"


def test_other_plurals_that_people_say() -> None:
    assert (singular("dwarves"), singular("cactuses")) == ("dwarf", "cactus")
    assert singular("") == ""
    assert singular("oasis") == "oasis"


def test_what_the_embedded_models_learned_has_the_same_forms() -> None:
    for noun in vocabulary.all_nouns():
        many = vocabulary.plural(noun)
        if singular(noun) == noun != plural(noun):
            assert plural(noun) == many, noun
            assert singular(many) == noun, noun


def test_articles_go_by_sound() -> None:
    said = ["dog", "owl", "hour", "unicorn", "ufo", "old dog", "orange", "uniform", "umbrella"]
    assert [article(word) for word in said] == ["a", "an", "an", "a", "a", "an", "an", "a", "an"]


def test_comparatives_lead_back_to_what_is_known() -> None:
    known = {"big", "spooky", "blue", "dark"}
    assert [positive(word, known) for word in ("bigger", "spookier", "bluer", "darker", "dark")] == [
        *("big", "spooky", "blue", "dark", "dark")
    ]
    assert positive("flower", known) == "flower"
