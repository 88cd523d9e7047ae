"""The words that embedded ears learn: what people ask to be painted, and how. Lists only, no sentences.

Nouns are given as a singular; :func:`plural` makes the other form. Everything that can be drawn (:mod:`.nouns`) is
among them, and more: a word that is heard and cannot be painted can be shown as not known.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from speakage_engines.training import nouns


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split(","))


ANIMALS: Final = _words(
    "dog cat horse elephant rabbit owl penguin fish butterfly bear bee bird cow crown dolphin lion pig sheep turtle",
    "whale monkey gorilla wolf fox raccoon tiger leopard zebra deer bison ox buffalo ram goat camel llama giraffe",
    "mammoth rhino hippo mouse rat hamster chipmunk beaver hedgehog bat koala panda sloth otter skunk kangaroo",
    "badger turkey chicken rooster chick eagle duck swan dodo flamingo peacock parrot frog crocodile lizard snake",
    "dinosaur seal shark octopus shell snail bug ant beetle ladybug cricket cockroach spider web scorpion mosquito",
    "fly worm crab lobster shrimp squid oyster donkey moose goose jellyfish puppy kitten pony lamb calf crow raven",
    "pigeon sparrow seagull stork heron hawk falcon vulture pelican robin canary toad newt salmon trout eel",
    "seahorse starfish walrus moth wasp dragonfly grasshopper caterpillar squirrel mole weasel ferret lynx panther",
    "cheetah jaguar puma hyena jackal antelope gazelle mule piglet duckling fawn cub ostrich emu kiwi toucan",
    "woodpecker hummingbird swallow nightingale",
)
CREATURES: Final = _words(
    "dragon unicorn robot ghost snowman monster alien skeleton skull mermaid fairy elf genie zombie vampire wizard",
    "witch troll giant dwarf ogre goblin angel devil superhero villain knight king queen prince princess pirate",
    "ninja clown jester astronaut mage sorcerer phoenix griffin pegasus werewolf mummy scarecrow gnome cyborg yeti",
    "kraken",
)
PEOPLE: Final = _words(
    "man woman boy girl baby child person teacher doctor nurse farmer cook chef artist painter singer dancer pilot",
    "judge detective guard soldier sailor mechanic scientist student firefighter driver baker tailor fisherman",
    "hunter shepherd grandfather grandmother mother father brother sister friend family bride runner swimmer surfer",
    "rider drummer juggler",
)
FOOD: Final = _words(
    "apple pizza cake strawberry banana grape melon watermelon tangerine orange lemon lime pineapple mango pear",
    "peach cherry blueberry tomato olive coconut avocado eggplant potato carrot corn pepper cucumber broccoli",
    "garlic onion peanut bean chestnut ginger pea bread croissant bagel pancake waffle cheese steak bacon burger",
    "sandwich taco burrito egg salad popcorn butter salt rice noodle spaghetti soup dumpling cookie chocolate candy",
    "lollipop custard honey pie cupcake doughnut milk coffee tea juice teapot pretzel pudding sausage plum apricot",
    "fig raspberry pumpkin radish cabbage lettuce spinach mushroom biscuit muffin toast jam cereal yogurt omelette",
    "lasagna sushi meatball",
)
PLANTS: Final = _words(
    "tree cactus sunflower flower rose palm pine bamboo leaf clover herb tulip daisy blossom lotus hyacinth bouquet",
    "seed branch bush fern vine acorn maple oak willow birch moss grass root log orchid lily poppy violet dandelion",
    "ivy thistle",
)
VEHICLES: Final = _words(
    "car train boat airplane rocket bicycle bus tractor truck locomotive tram monorail ambulance taxi van scooter",
    "motorcycle skateboard wagon wheel anchor canoe kayak sailboat speedboat ferry ship helicopter satellite",
    "spaceship submarine raft jeep trailer carriage sled bulldozer crane tank jet glider airship tandem limousine",
    "minibus hovercraft sleigh gondola barge yacht tricycle wheelbarrow caravan",
)
PLACES_NOUNS: Final = _words(
    "house castle church tent building hospital bank hotel school factory tower bridge mosque temple fountain",
    "stadium cottage hut barn lighthouse windmill palace cabin igloo pyramid skyscraper museum library theater shop",
    "market garage garden park playground street road village city town harbor airport station farm zoo circus",
    "carousel statue gate wall fence door window roof chimney stairs balcony tunnel well dam cathedral fortress",
    "ruin mansion treehouse greenhouse",
)
NATURE: Final = _words(
    "moon star sun rainbow cloud mountain volcano island river lake waterfall ocean wave hill valley cave cliff",
    "rock stone sky planet comet meteor galaxy globe lightning snowflake storm tornado fire flame puddle pond",
    "iceberg glacier swamp forest desert beach field meadow jungle dune canyon shore stream spring pebble crystal",
)
THINGS: Final = _words(
    "umbrella guitar balloon ball book clock piano hat cap helmet shirt dress coat jacket scarf glove sock shoe",
    "boot sandal bag backpack purse suitcase wallet ring necklace crown jewel gem diamond glasses watch bell drum",
    "violin trumpet flute harp saxophone accordion banjo microphone headphone radio television camera phone",
    "telephone computer laptop keyboard printer robot battery plug lamp lantern candle flashlight bulb torch key",
    "lock hammer axe pick wrench screwdriver saw screw bolt gear chain hook ladder magnet scale compass map letter",
    "envelope package mailbox pen pencil brush paintbrush crayon ruler scissors paper notebook folder newspaper",
    "calendar pin clip basket bucket bottle jar cup mug glass plate bowl fork knife spoon pan pot kettle oven stove",
    "fridge table chair couch bed desk shelf mirror bathtub shower toilet sink soap sponge toothbrush broom mop",
    "towel pillow blanket carpet curtain picture frame vase teddy doll puppet kite puzzle dice dart trophy medal",
    "flag ribbon present gift sword shield bow arrow spear cannon bomb rope net parachute telescope microscope",
    "thermometer pill bandage crutch wand cauldron potion scroll treasure chest coin money crayon ticket mask",
    "firework sparkler snowball sledge racket bat goal basketball football volleyball yoyo boomerang hourglass",
    "stopwatch typewriter gramophone calculator joystick domino marble swing slide seesaw statue feather button",
    "needle thread yarn nest bone barrel box crate hammock hanger igloo jigsaw whistle xylophone zipper",
)
PAIRED_NOUNS: Final = _phrases(
    "teddy bear, hot dog, ice cream, french fries, fire truck, police car, race car, school bus, polar bear, rubber "
    "duck, birthday cake, christmas tree, palm tree, hot air balloon, roller coaster, ferris wheel, flying saucer, "
    "paper plane, traffic light, magic wand, light bulb, alarm clock, sea shell, pine cone, soccer ball, tennis "
    "ball, crystal ball, treasure chest, street lamp, rocking chair, piggy bank, snow globe, jack o lantern, cherry "
    "blossom, maple leaf, rocking horse, toy car, steam train, pocket watch, top hat, guinea pig, baby chick, space "
    "station, wind mill"
)

COLOURS: Final = _words(
    "white black red blue green yellow pink purple orange gray brown golden silver turquoise violet beige crimson",
    "scarlet navy teal magenta cyan lavender cream bronze copper emerald ruby indigo maroon colorful rainbow",
    "transparent",
)
SIZES: Final = _words(
    "big small tiny huge little large giant enormous tall short long wide narrow gigantic mini massive",
)
QUALITIES: Final = _words(
    "happy sad angry sleepy funny cute beautiful pretty ugly old young new ancient modern bright dark shiny",
    "sparkling glowing fluffy furry soft hard round square flat smooth rough wet dry hot cold frozen burning broken",
    "clean dirty fast slow strong weak brave shy proud lonely friendly scary spooky magic magical wild tame hungry",
    "lazy busy quiet loud wooden metal plastic glass striped spotted dotted curly wavy pointed sharp heavy light",
    "empty full open closed fancy simple royal mysterious enchanted abandoned crowded peaceful stormy sunny rainy",
    "snowy foggy cloudy windy misty dusty dancing singing sleeping running jumping flying swimming laughing smiling",
    "crying eating drinking reading sitting standing walking climbing playing hiding waving floating falling",
    "melting rusty muddy hairy chubby skinny elegant",
)
NUMBERS: Final = _words(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen",
    "eighteen nineteen twenty thirty fifty hundred",
)

BACKGROUNDS: Final = _phrases(
    "on a beach, at night, at sunset, at sunrise, in the snow, in a meadow, in the desert, in space, under water, "
    "in the forest, by the sea, in the rain, in the fog, in the city, in the mountains, on the moon, in the jungle, "
    "in the clouds, on an island, in a garden, in a cave, at the farm, in the park, in winter, in summer, in "
    "spring, in autumn, in the morning, in the evening, at noon, under the stars, in a storm, on a hill, by the "
    "lake, by the river, on the grass, in the kitchen, in a bedroom, in the library, on a table, in the sky, on the "
    "street, under a rainbow, at the harbor, in front of a waterfall, in the sunshine, on the ocean, in a valley"
)
RELATIONS: Final = _phrases(
    "next to, and, above, below, to the left of, to the right of, left of, right of, in front of, behind, beside, "
    "on, on top of, under, underneath, near, inside, with, between, over, beneath, around, close to, far from, "
    "holding, riding, watching, chasing, wearing, facing, against, across from, along with, without, opposite"
)
STYLES: Final = _phrases(
    "pencil sketch, pixel art, watercolor, oil painting, cartoon, comic, crayon drawing, ink drawing, charcoal "
    "drawing, chalk drawing, mosaic, stained glass, photograph, photo, poster, paper cutout, origami, clay model, "
    "line art, pop art, anime, fresco, collage, blueprint, engraving, woodcut, doodle, sticker, postcard, night "
    "tint, silhouette, neon, vintage, retro, minimalist, realistic, abstract, impressionist, surreal, baroque, "
    "cubist, portrait, landscape, still life, caricature, fantasy, illustration, sculpture, embroidery, graffiti, "
    "low poly, isometric"
)
LEAD_INS: Final = _phrases(
    "draw, draw me, paint, paint me, show me, show, imagine, i want, i want to see, i would like, can you draw, can "
    "you paint, could you paint me, could you draw, could you show me, please draw, please paint, make, make me, "
    "give me, let me see, let us see, how about, what about, create, picture, now, now draw, now paint, and now, "
    "well, okay, so, um, uh, let us paint, let us have, i think, maybe, perhaps, try, a picture of, a drawing of, a "
    "painting of, paint a picture of, there is, there are, i see, look there is, here comes, here is, once there "
    "was, once upon a time there was, think of, how would it look with, do you know, we need, go on with, can i "
    "have, could we have, i dream of, tell me about, put, place"
)
TAILS: Final = _phrases(
    "please, thank you, if you can, for me, again, now, right now, quickly, for my mother, for the children, as big "
    "as possible, very carefully, just for fun, if possible"
)
COMMANDS: Final = _phrases(
    "undo, go back, again, another one, one more, save that, save it, keep it, clear, clear everything, start over, "
    "stop listening, stop, go on, show me four, show me two, make it wider, make it taller, make it bigger, make it "
    "smaller, make it darker, make it brighter, no people, no text, zoom in, zoom out, next, previous, the last "
    "one, the first one, start listening, wake up, good night, listen to me, never mind, cancel, cancel that, "
    "delete it, delete that, yes, no, not that, i like it, that is nice, that is wrong, try again, do it again, "
    "repeat, more, less, faster, slower, louder, wait, wait a moment, hello, full screen, print it, share it, what "
    "can you do, help, random, surprise me, something else, turn it around, flip it, mirror it, make it square, "
    "make it sharper, make it softer, more colorful, less colorful, more detail, less detail, higher quality, use "
    "the same seed, change the seed, new seed, new picture, redo, continue, pause, resume"
)
COMMAND_FRAMES: Final = _phrases(
    "add {one}, add {number}, remove the {noun}, without the {noun}, take away the {noun}, make it {colour}, make "
    "the {noun} {colour}, make the {noun} {size}, in the style of a {style}, as a {style}, make it a {style}, "
    "replace the {noun} with {one}, change the {noun} to {one}, move the {noun} to the left, move the {noun} to the "
    "right, put {one} {relation} the {noun}, make it {quality}, more {plural}, no {plural}, less {plural}, add "
    "{one} {background}, a {colour} background, call it {name}, its name is {name}, this is {name}, remember "
    "{name}, forget {name}, where is {name}, show me {name}, paint {name}, paint {name} {background}, {name} and "
    "{one}, {name} with {one}, {name} {background}, a portrait of {name}, {one} for {name}, my dog {name}, my cat "
    "{name}, a {noun} called {name}, a {noun} named {name}, {name} as a {style}"
)
NAMES: Final = _words(
    "anna ben clara david emma felix greta henry ida jack kate leo mia noah olivia paul quentin rosa sam tina uma",
    "victor wendy xavier yara zoe adam alice amy andrew arthur bella bruno carl carmen charlie chloe daisy daniel",
    "diana dora edgar ella elsa eric eva finn frank george gina grace gus hannah harry hugo iris isaac ivan ivy",
    "james jane jasper jenny joe john julia kai karl kim lara laura lena lily linda liam lola lucas lucy luna max",
    "maria martin mary maya milo molly nadia nelly nick nina nora oliver oscar otto peter polly rex rita robert",
    "ruby ruth sally sarah simon sofia sophie stella steve susan theo thomas tim toby tom tony vera willy yuri",
    "bello buddy rocky fluffy lucky snowy bingo teddy rusty simba waldo pluto coco biscuit pepper",
)

PLURALS: Final = {
    "mouse": "mice", "goose": "geese", "man": "men", "woman": "women", "child": "children", "person": "people",
    "fisherman": "fishermen", "snowman": "snowmen", "sheep": "sheep", "fish": "fish", "deer": "deer", "ox": "oxen",
    "bison": "bison", "moose": "moose", "squid": "squid", "shrimp": "shrimp", "salmon": "salmon", "trout": "trout",
    "wolf": "wolves", "leaf": "leaves", "calf": "calves", "elf": "elves", "dwarf": "dwarfs", "knife": "knives",
    "shelf": "shelves", "scarf": "scarves", "tomato": "tomatoes", "potato": "potatoes", "mango": "mangoes",
    "volcano": "volcanoes", "superhero": "superheroes", "mosquito": "mosquitoes", "dice": "dice", "stairs": "stairs",
    "glasses": "glasses", "scissors": "scissors", "money": "money", "rice": "rice", "bread": "bread", "corn": "corn",
    "milk": "milk", "grass": "grass", "moss": "moss", "fireman": "firemen", "buffalo": "buffaloes",
    "spaghetti": "spaghetti", "french fries": "french fries", "broccoli": "broccoli", "sushi": "sushi",
    "toast": "toast", "bamboo": "bamboo", "garlic": "garlic",
}  # fmt: skip
UNCOUNTED: Final = frozenset(one for one, many in PLURALS.items() if one == many) - {
    *("sheep", "fish", "deer", "bison", "moose", "squid", "shrimp", "salmon", "trout")
}
"""Said without an article."""

_OWN_NOUNS: Final = (
    *(*ANIMALS, *CREATURES, *PEOPLE, *FOOD, *PLANTS, *VEHICLES, *PLACES_NOUNS, *NATURE, *THINGS, *PAIRED_NOUNS),
)


@cache
def all_nouns() -> tuple[str, ...]:
    """The nouns above and all that can be drawn, other words for them with them."""
    drawn = (name for noun in nouns.every() for name in (noun.name, *noun.synonyms))
    return tuple(dict.fromkeys((*_OWN_NOUNS, *(name for name in drawn if name.replace(" ", "").isalpha()))))


def plural(noun: str) -> str:
    """More than one of it: ``cherry`` → ``cherries``; as captions write it."""
    return PLURALS.get(noun) or nouns.plural(noun)


def with_article(noun: str) -> str:
    """``an owl``, ``a unicorn``, ``spaghetti``."""
    return noun if noun in _uncounted() else f"{nouns.article(noun)} {noun}"


@cache
def _uncounted() -> frozenset[str]:
    """Said without an article."""
    counted = {"sheep", "fish", "deer", "bison", "moose", "squid", "shrimp", "salmon", "trout", "dice"}
    same = {one for one, many in PLURALS.items() if one == many} - counted
    return frozenset(same | {noun.name for noun in nouns.every() if not noun.countable})


@cache
def words() -> frozenset[str]:
    """Every word that sentences are made of, inflected forms with them; invented names come on top."""
    things = all_nouns()
    phrases = [*things, *map(plural, things), *COLOURS, *SIZES, *QUALITIES, *NUMBERS, *BACKGROUNDS, *RELATIONS]
    phrases += [*STYLES, *LEAD_INS, *TAILS, *COMMANDS, *COMMAND_FRAMES, *NAMES, "a", "an", "the"]
    return frozenset(word for phrase in phrases for word in phrase.split() if "{" not in word)
