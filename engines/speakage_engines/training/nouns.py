"""The things that can be drawn: words, plurals, articles, and the emoji that shows each. No drawing here.

The tables are curated from the font's own names: one picture a word, a word that a child would use for it. Skin tones,
national flags, keycaps, arrows and signs are left out, and so are things that look like another thing of the table.

A line of a table is ``glyph word, glyph word/synonym, …``. A mark behind the glyph says more:
``*`` its body may be painted in another colour, ``#`` all of it may (things without a colour of their own),
``~`` it is not counted ("some bread").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

Recolouring = Literal["none", "body", "whole"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """A thing with a picture."""

    name: str
    """The word of plain captions; one or more words."""
    glyph: str
    synonyms: tuple[str, ...] = ()
    """Other words for it in natural captions."""
    recolouring: Recolouring = "none"
    """What of it still reads as the thing in another colour."""
    countable: bool = True


_CORE: Final = """
🐕# dog, 🐈# cat, 🐎# horse, 🐘# elephant, 🐇# rabbit/bunny, 🦉# owl, 🐧 penguin, 🐟* fish, 🦋* butterfly
🐉* dragon, 🦄# unicorn, 🐄 cow, 🐖# pig, 🐑# sheep, 🐔# chicken/hen, 🦆 duck, 🦢# swan, 🐦* bird, 🦅 eagle
🦜# parrot, 🐢* turtle, 🐍* snake, 🐊* crocodile, 🐳* whale, 🐬# dolphin, 🦈# shark, 🐙* octopus, 🦀* crab
🐌# snail, 🐝 bee, 🐞* ladybug, 🕷# spider, 🐁# mouse, 🦒 giraffe, 🦁 lion, 🐅 tiger, 🐒 monkey, 🐻# bear, 🐼 panda
🦊* fox, 🐺# wolf, 🐸* frog, 🦘# kangaroo, 🐪# camel, 🦓 zebra, 🦌 deer, 🦔 hedgehog, 🐿 squirrel, 🦖* dinosaur
🦩* flamingo, 🐓 rooster, 🚗* car, 🚂# train, ⛵# boat/sailboat, ✈# airplane/plane, 🚀# rocket, 🚁* helicopter
🚌* bus, 🚚 truck, 🚜 tractor, 🚲# bicycle/bike, 🏍* motorcycle/motorbike, 🚒 fire engine/fire truck, 🚓 police car
🚑 ambulance, 🚕 taxi, 🛸# spaceship/flying saucer, 🚢# ship, 🛹 skateboard, 🛴# scooter, 🛶* canoe, 🏠# house
🏰# castle, ⛪# church, ⛺* tent, 🗼 tower, 🎡 ferris wheel, ⛲ fountain, 🌋 volcano, 🛖# hut
🎪 circus tent/circus, 🌳* tree, 🌲 fir tree/pine tree, 🌴 palm tree/palm, 🌵* cactus, 🌻 sunflower, 🌹* rose
🌷* tulip, 🌼# flower/daisy, 🍄* mushroom, 🍁* leaf/maple leaf, 🌞* sun, 🌙* moon, ⭐* star, ☁# cloud, 🌈 rainbow
🔥~ fire/flames, 🪐* planet, 🌍 globe/world, 🪨# rock/stone, 🍎* apple, 🍕 pizza, 🎂 birthday cake
🍰 cake/piece of cake, 🍌 banana, 🍐* pear, 🍊 orange, 🍋* lemon, 🍓* strawberry, 🍒 cherry, 🍇*~ grapes
🍉 watermelon, 🍍 pineapple, 🥕* carrot, 🍅 tomato, 🍔 hamburger/burger, 🌭 hot dog, 🍦 ice cream
🍩* donut/doughnut, 🍪 cookie, 🧁* cupcake/muffin, 🍭 lollipop, 🍬 candy, 🥚# egg, 🧀~ cheese, 🥐 croissant
🍞~ bread, 🫖# teapot, ☕# cup/cup of coffee, 🎸* guitar, 🎈* balloon, 🤖# robot, 👻# ghost, ⛄ snowman
☂* umbrella, 🪑# chair, 🛏* bed, 🚪# door, 🔑* key, 🔔* bell, 📕* book, ✏* pencil, 🎁* gift/present
⚽ soccer ball/football, 🏀* basketball, 🎩# hat/top hat, 👑* crown, 👕# shirt/t-shirt, 👗* dress
👟* shoe/sneaker, 🧦~ socks, 🧢* cap, ⏰* alarm clock/clock, 📷 camera, 📺 television/tv, ☎* telephone/phone
💡 light bulb, 🕯 candle, 🎹 piano/keyboard, 🥁 drum, 🎺* trumpet, 🎻 violin, 🧸# teddy bear/teddy, 🪁# kite
⚓# anchor, 💎* diamond/gem, 💍 ring, ❤* heart, 🔨 hammer, ✂~ scissors, 🪣# bucket, 🧺 basket, 🏆 trophy, 🚩* flag
🧲 magnet, 🔭 telescope, 💀# skull, 👽# alien, 🧙 wizard, 🧚 fairy, 🧜 mermaid, 👸 princess, 🎅 santa/santa claus
🤡 clown, 🧛 vampire, 🥷 ninja, 👶 baby, 👦 boy, 👧 girl, 👨 man, 👩 woman, 🧑‍🚀 astronaut, 🎃* pumpkin
🎄 christmas tree
"""

_MORE: Final = """
🐀# rat, 🐂# ox/bull, 🐃 buffalo, 🐆 leopard, 🐋* humpback whale, 🐏 ram, 🐐# goat, 🐗 boar, 🐚 seashell/shell
🐛* caterpillar, 🐜# ant, 🐠* tropical fish, 🐡* blowfish, 🐣 hatching chick, 🐤* chick, 🐨# koala, 🐩# poodle
🐹 hamster, 🐭 mouse face, 🐮 cow face, 🐯 tiger face, 🐰 rabbit face, 🐱 cat face, 🐲 dragon face, 🐴 horse face
🐵 monkey face, 🐶 dog face, 🐷 pig face, 🐽 pig nose, 🐾~ paw prints, 👀~ eyes, 👂 ear, 👃 nose
👄* mouth/lips, 👅 tongue, 👍 thumb, 👋 waving hand, ✋ hand, ✊ fist, 👏~ clapping hands, 💪 muscle/strong arm
🦵 leg, 🦶 foot, 🦷 tooth, 🧠 brain, 🦴 bone, 👒 sun hat, 👓~ glasses, 🕶~ sunglasses, 👔* necktie/tie
👖*~ jeans/trousers, 👘* kimono, 👙* bikini, 👚* blouse, 👛* purse, 👜* handbag, 👝* pouch, 👞 leather shoe
👠* high heel/high-heeled shoe, 👡 sandal, 👢 boot, 👮 police officer/policeman, 💂 guard
👷 construction worker/builder, 🕵 detective, 👳 man with a turban, 👴 grandfather/old man
👵 grandmother/old woman, 👰 bride, 🤵 groom, 👹 ogre, 👺 goblin, 👼 angel, 👾* space invader, 😈 devil, 💃 dancer
🕺 dancing man, 💄 lipstick, 💈 barber pole, 💉 syringe, 💊 pill, 💌 love letter, 💐 bouquet, 💔* broken heart
💣# bomb, 💥 explosion, 💩#~ poop, 💬 speech bubble, 💰 money bag, 💳 credit card, 💵 banknote/dollar, 💺* seat
💻 laptop, 💼* briefcase, 💾 floppy disk, 💿 disc/cd, 📁* folder, 📄 page/sheet of paper, 📅 calendar, 📈 chart
📊 bar chart, 📋 clipboard, 📌* pushpin, 📎# paperclip, 📏 ruler, 📐 triangle ruler, 📓 notebook, 📖 open book
📚 stack of books, 📜 scroll, 📝 memo/note, 📞# telephone receiver, 📟 pager, 📠 fax machine, 📡 satellite dish
📢 loudspeaker, 📣 megaphone, 📦 box/package, ✉# envelope/letter, 📪 mailbox, 📮 postbox, 📯 horn, 📰 newspaper
📱 mobile phone/smartphone, 📹 video camera, 📻 radio, 📼 video tape, 📽 film projector, 📿~ beads, 🔈 speaker
🔋 battery, 🔌 plug, 🔍 magnifying glass, 🔒 lock/padlock, 🔗 chain link, 🔖 bookmark, 🔦 flashlight/torch
🔧 wrench, 🔩 bolt, 🔪 knife, 🔫* water pistol, 🔬 microscope, 🔮* crystal ball, 🔱 trident, 🕊 dove, 🕌 mosque
🛕 temple, 🕍 synagogue, 🕎 menorah, 🕰 mantel clock, 🕸 spider web/cobweb, 🕹 joystick, 🖊 pen/ballpoint pen
🖋 fountain pen, 🖌 paintbrush/brush, 🖍* crayon, 🖥 computer/desktop computer, 🖨 printer, 🖱 computer mouse
🖼 picture frame/framed picture, 🗄 filing cabinet, 🗑 wastebasket/trash can, 🗒 notepad, 🗝 old key
🗞 rolled newspaper, 🗡 dagger/sword, 🗺 map/world map, 🗿# stone head/statue, 😀 happy face/smiley, 😂 laughing face
😇 face with a halo, 😉 winking face, 😍 face in love, 😎 cool face, 😘 kissing face, 😜 silly face, 😠 angry face
😢 crying face, 😱 screaming face, 😴 sleeping face, 😷 masked face, 🤒 sick face, 🤓 nerd face, 🤔 thinking face
🤕 bandaged face, 🤠 cowboy, 🤢 nauseous face, 🤧 sneezing face, 🤯 exploding head, 🥳 party face
🥶 freezing face, 🥵 hot face, 🙃 upside-down face, 🙈 shy monkey, 🚃 railway car, 🚄 high-speed train
🚇 metro/subway, 🚋 tram/streetcar, 🚐 minibus/van, 🚛 lorry, 🚝 monorail, 🚠 cable car, 🚣 rowing boat/rowboat
🚤 speedboat, 🚦 traffic light, 🚧 barrier, 🚨 siren/police light, 🚏 bus stop, 🚽 toilet, 🚿 shower
🛁 bathtub/bath, 🛋 couch/sofa, 🛍~ shopping bags, 🛎 reception bell, 🛑 stop sign, 🛒 shopping cart, 🛝 slide
🛞 wheel/tyre, 🛟 life ring/lifebuoy, 🛡 shield, 🛢 oil drum/barrel, 🛣 motorway/highway, 🛤 railway track
🛥 motorboat, 🛰 satellite, 🛳 cruise ship, 🛵* motor scooter/moped, 🛷 sled/sledge, 🛺 rickshaw
🛻* pickup truck/pickup, 🛼 roller skate, 🚙* jeep, 🏎* race car/racing car, ⛴ ferry, ⛽ gas pump, ⛏ pickaxe
⛑ rescue helmet, ⛓ chain, ⛩ shrine, ⛰ mountain, ⛱ beach umbrella/parasol, ⛳ golf hole, ⛷ skier, ⛸ ice skate
⌛ hourglass, ⌚ watch, ⏱ stopwatch, ⏲ kitchen timer, ⌨ computer keyboard, ☘ clover/shamrock, ☄ comet
⚔~ crossed swords, ⚖~ scales, ⚗ flask, ⚙# gear/cog, ⚰ coffin, ⚱ urn, ⚾ baseball, ⚡* lightning/lightning bolt
❄ snowflake, ✨*~ sparkles, ♟# pawn/chess pawn, 🌀 whirl, 🌂* closed umbrella, 🌊* wave, 🌕 full moon
🌝 moon with a face, 🌟* glowing star, 🌠 shooting star, 🌡 thermometer, 🌧 rain cloud, 🌨 snow cloud
🌩 thundercloud/storm cloud, 🌪# tornado, 🌬~ wind, ⛅ sun behind a cloud, 🌮 taco, 🌯 burrito, 🌰 chestnut
🌱* seedling/sprout, 🌶* hot pepper/chili, 🌸* cherry blossom, 🌺* hibiscus, 🌽~ corn, 🌾~ rice plant/wheat
🌿* herb, 🍀* four-leaf clover, 🍂~ fallen leaves, 🍆* eggplant/aubergine, 🍈 melon, 🍑 peach, 🍖~ meat
🍗 chicken leg/drumstick, 🍙 rice ball, 🍚 bowl of rice, 🍛~ curry, 🍜 bowl of noodles/soup, 🍝~ spaghetti
🍟~ french fries/fries, 🍠 sweet potato, 🍡 dango, 🍢 skewer, 🍣~ sushi, 🍤 fried shrimp, 🍥 fish cake
🍧*~ shaved ice, 🍨 sundae/bowl of ice cream, 🍫 chocolate bar, 🍮 pudding, 🍯 honey pot, 🍱 lunch box
🍲 pot of food/stew, 🍳 frying pan/fried egg, 🍴~ fork and knife, 🍵 bowl of tea, 🍶~ sake
🍷* wine glass/glass of wine, 🍸 cocktail, 🍹 tropical drink, 🍺 beer/mug of beer, 🍼 baby bottle, 🍽 plate
🍾 bottle/champagne, 🍿~ popcorn, 🎀* ribbon/bow, 🎆~ fireworks, 🎉 party popper, 🎊 confetti ball, 🎍~ bamboo
🎎~ japanese dolls, 🎏 carp streamer, 🎐 wind chime, 🎒* backpack/school bag, 🎓 graduation cap, 🎖 military medal
🎗* awareness ribbon, 🎙 studio microphone, 🎞 film strip, 🎟 admission ticket, 🎠 carousel horse/carousel
🎢 roller coaster, 🎣 fishing rod/fishing pole, 🎤 microphone, 🎥 movie camera, 🎧~ headphones
🎨 palette/paint palette, 🎫 ticket, 🎬 clapper board, 🎭~ masks, 🎮 game controller, 🎯 target/dartboard
🎰 slot machine, 🎱 billiard ball, 🎲# dice, 🎵* note of music/musical note, 🎷* saxophone, 🎼 sheet of music
🎽 running shirt, 🎾* tennis ball, 🎿~ skis, 🏁 checkered flag/chequered flag, 🏂 snowboarder, 🏃 runner
🏄 surfer, 🏅 medal/gold medal, 🏇 jockey, 🏈 american football, 🏉 rugby ball, 🏊 swimmer, 🏋 weight lifter
🏌 golfer, 🏏 cricket bat, 🏐 volleyball, 🏑 hockey stick, 🏒 ice hockey stick
🏓 table tennis bat/ping-pong paddle, 🏔 snowy mountain, 🏕 campsite, 🏖 sandy beach, 🏗 building site, 🏘 village
🏙 city, 🏚 old house/haunted house, 🏛 greek temple/museum, 🏝 island/desert island, 🏟 stadium
🏡 house with a garden, 🏢 office building, 🏥 hospital, 🏦 bank, 🏨 hotel, 🏪 shop/store, 🏫 school
🏬 department store, 🏤 post office, 🏭 factory, 🏮* lantern, 🏯 pagoda/japanese castle, 🏴‍☠️ pirate flag
🏹~ bow and arrow, 🏺 amphora/vase, 🏸 shuttlecock, 🗯 angry bubble, 💭 thought bubble, 🤝 handshake, 🤸 acrobat
🤹 juggler, 🤺 fencer, 🤿 diving mask/snorkel, 🥀 wilted rose, 🥃 whisky glass, 🥄# spoon, 🥅 goal net
🥊* boxing glove, 🥋 judo suit, 🥌 curling stone, 🥎* softball, 🥏* frisbee, 🥑 avocado, 🥒 cucumber/pickle
🥓~ bacon, 🥔 potato, 🥖 baguette, 🥗 salad, 🥘 paella, 🥙 pita/kebab, 🥛 glass of milk/milk, 🥜 peanut, 🥝 kiwi
🥞~ pancakes, 🥟 dumpling, 🥠 fortune cookie, 🥡 takeout box, 🥢~ chopsticks, 🥣 bowl, 🥤* cup with a straw/soda
🥥 coconut, 🥦~ broccoli, 🥧 pie, 🥨 pretzel, 🥩 steak, 🥪 sandwich, 🥫 tin can/can, 🥬* lettuce/cabbage, 🥭 mango
🥮 moon cake, 🥯 bagel, 🥻* sari, 🥼# lab coat, 🥽~ goggles, 🥾 hiking boot, 🥿* flat shoe, 🦂# scorpion
🦃 turkey, 🦇# bat, 🦍# gorilla, 🦎* lizard, 🦏# rhinoceros/rhino, 🦐* shrimp, 🦑* squid
🦕* sauropod/long-necked dinosaur, 🦗* grasshopper, 🦙# llama, 🦚 peacock, 🦛# hippopotamus/hippo, 🦝 raccoon
🦞* lobster, 🦟 mosquito, 🦠* microbe/germ, 🦡 badger, 🦣 mammoth, 🦤 dodo, 🦥 sloth, 🦦 otter, 🦧 orangutan
🦨 skunk, 🦪 oyster, 🦫 beaver, 🦬 bison, 🦭# seal, 🐻‍❄️ polar bear, 🐕‍🦺 rescue dog, 🦸 superhero, 🦹 supervillain
🦺* safety vest, 🦼 electric wheelchair, 🦽 wheelchair, 🦾 robot arm, 🦿 robot leg, 🧂 salt shaker/salt
🧃 juice box, 🧄~ garlic, 🧅 onion, 🧆 falafel, 🧇 waffle, 🧈~ butter, 🧊 ice cube, 🧋 bubble tea, 🧌 troll
🧔 man with a beard, 🧖 sauna, 🧗 climber, 🧘 yogi, 🧝 elf, 🧞 genie, 🧟 zombie, 🧣* scarf, 🧤*~ gloves
🧥* coat/jacket, 🧨 firecracker, 🧩* puzzle piece, 🧪 test tube, 🧫 petri dish, 🧭 compass, 🧮 abacus
🧯 fire extinguisher, 🧰* toolbox, 🧱 brick wall/bricks, 🧳 suitcase/luggage, 🧴 lotion bottle
🧵* spool of thread/thread, 🧶* ball of yarn/yarn, 🧷 safety pin, 🧹 broom, 🧻~ toilet paper/paper roll, 🧼~ soap
🧽 sponge, 🧾 receipt, 🩰*~ ballet shoes, 🩱* swimsuit, 🩲*~ briefs, 🩳*~ shorts, 🩴* flip-flop, 🩸 drop of blood
🩹 bandage/plaster, 🩺 stethoscope, 🩻 x-ray, 🩼 crutch, 🪀* yo-yo, 🪂 parachute, 🪃 boomerang, 🪄 magic wand
🪅 pinata, 🪆 nesting doll/russian doll, 🪒 razor, 🪓 axe, 🪔 oil lamp, 🪕 banjo, 🪖 army helmet, 🪗 accordion
🪘 long drum, 🪙* coin, 🪚 saw, 🪛 screwdriver, 🪜 ladder, 🪝# hook, 🪞 mirror, 🪟 window, 🪠 plunger, 🪡 needle
🪢* knot, 🪤 mouse trap, 🪥 toothbrush, 🪦 gravestone/tombstone, 🪧 placard, 🪩 disco ball, 🪰# fly, 🪱* worm
🪲* beetle, 🪳 cockroach, 🪴 potted plant/plant, 🪵 log, 🪶# feather, 🪷* lotus, 🪸*~ coral, 🪹 empty nest
🪺 nest with eggs/nest, 🫀 human heart, 🫁~ lungs, 🫂 hug, 🫅 king, 🫐~ blueberries, 🫑* bell pepper/pepper
🫒* olive, 🫓 flatbread, 🫔 tamale, 🫕~ fondue, 🫗 spilt glass, 🫘~ beans, 🫙 jar, 🫧~ bubbles, 🤴 prince
🧑‍🌾 farmer, 🧑‍🍳 cook/chef, 🧑‍🚒 firefighter/fireman, 🧑‍🎨 artist/painter, 🧑‍🎤 singer, 🧑‍✈️ pilot
🧑‍⚕️ doctor/nurse, 🧑‍🏫 teacher, 🧑‍🔧 mechanic, 🧑‍🔬 scientist, 🧑‍🎓 student, 🧑‍⚖️ judge, 🚴 cyclist, 🚶 walker
🧕 woman with a headscarf, 💑 couple
"""

FEW: Final = (
    "dog", "cat", "horse", "elephant", "rabbit", "owl", "penguin", "fish", "butterfly", "dragon", "unicorn", "cow",
    "pig", "bird", "turtle", "whale", "lion", "bear", "car", "train", "boat", "airplane", "rocket", "bus", "truck",
    "bicycle", "house", "castle", "tent", "tree", "cactus", "sunflower", "rose", "mushroom", "sun", "moon", "star",
    "apple", "pizza", "cake", "banana", "strawberry", "guitar", "balloon", "robot", "ghost", "snowman", "umbrella",
    "crown", "piano",
)  # fmt: skip
"""Fifty things that look least alike: what the embedded picture model paints."""

_IRREGULAR: Final = {
    "mouse": "mice", "sheep": "sheep", "fish": "fish", "deer": "deer", "ox": "oxen", "wolf": "wolves", "leaf": "leaves",
    "knife": "knives", "scarf": "scarves", "elf": "elves", "man": "men", "woman": "women", "foot": "feet",
    "tooth": "teeth", "bison": "bison", "buffalo": "buffaloes", "squid": "squid", "shrimp": "shrimp",
    "potato": "potatoes", "tomato": "tomatoes", "mango": "mangoes", "volcano": "volcanoes", "superhero": "superheroes",
    "tornado": "tornadoes", "mosquito": "mosquitoes", "cactus": "cacti", "dice": "dice",
    "policeman": "policemen", "fireman": "firemen",
    "snowman": "snowmen", "blowfish": "blowfish",
}  # fmt: skip
_VOWEL: Final = re.compile(r"(?!uni|use|ufo|eu|one\\b|uk)[aeiou]|hour|x-ray|mri")
_HEAD: Final = re.compile(r"(.+?)( (?:of|with|in|behind|on) .+)?")


@cache
def core() -> tuple[Noun, ...]:
    """What a model trained on a CPU can learn."""
    return _read(_CORE)


@cache
def every() -> tuple[Noun, ...]:
    """As many as the font shows and a word names; :func:`core` comes first."""
    return core() + _read(_MORE)


@cache
def by_name() -> dict[str, Noun]:
    """All nouns by their plain word."""
    return {noun.name: noun for noun in every()}


@cache
def plural(words: str) -> str:
    """Of one noun: "mouse trap" → "mouse traps", "cup of coffee" → "cups of coffee"."""
    match = _HEAD.fullmatch(words)
    if match is None:
        raise ValueError(f"{words!r} is no noun")
    before, _, head = match[1].rpartition(" ")
    return f"{before} {_plural(head)}{match[2] or ''}".lstrip()


def article(words: str) -> str:
    """ "a" or "an", by how the first word sounds."""
    return "an" if _VOWEL.match(words) else "a"


def _plural(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _read(table: str) -> tuple[Noun, ...]:
    entries = (entry.strip() for line in table.strip().splitlines() for entry in line.split(","))
    return tuple(_noun(*entry.split(" ", 1)) for entry in entries)


def _noun(drawn: str, words: str) -> Noun:
    name, *synonyms = words.split("/")
    recolouring: Recolouring = "body" if "*" in drawn else "whole" if "#" in drawn else "none"
    return Noun(
        name=name,
        glyph=drawn.translate({ord(mark): None for mark in "*#~"}),
        synonyms=tuple(synonyms),
        recolouring=recolouring,
        countable="~" not in drawn,
    )
