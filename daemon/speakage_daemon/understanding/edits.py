"""Edits: what a sentence changes about the picture on the canvas. Pure.

A table of sentence forms, tried in order; each either gives changes or passes. What none of them takes is no edit:
then the sentence is a new picture (:mod:`.commands`). Nothing is changed here (:mod:`.changes` does).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from speakage_daemon.understanding import picture_edits as picture
from speakage_daemon.understanding import thing_edits as thing
from speakage_daemon.understanding import vocabulary as v
from speakage_daemon.understanding.changes import Focused, changed
from speakage_daemon.understanding.meaning import Changes, MoreLikeThat, Reshape
from speakage_daemon.understanding.reading import COLOUR, either
from speakage_daemon.understanding.references import PICTURE, PRONOUNS

Form: TypeAlias = Callable[[re.Match[str], Focused], Changes]

_LONGEST: Final = 30
"""Words in an edit; longer sentences describe pictures."""
_IT: Final = either((*PRONOUNS, *PICTURE, "everything"))
_BIT: Final = r"(?:a bit |a little |a little bit |much |even |a lot |slightly |far |way )?"
_CHANGE: Final = r"(?:make|turn|paint|draw|do|render|change|show|have|redraw|repaint|convert|transform|put|i want|let)"
_SHAPE: Final = f"(?P<shape>{either(picture.SHAPES)})"
_FORMAT: Final = r"(?: format| mode| orientation)"
_NEW: Final = r"(?:an?|some|two|three|four|five) .+"
_RELATION: Final = either(set(v.JOINING) - {"and", "or", "with", "in", "at", "through", "into", "among", "between"})
_WHERE: Final = rf"(?:to |on |at |in )?(?:the )?{either(v.POSITIONS)}(?: side| corner)?"
_NOT: Final = (
    r"(?:no|without|with no|but no|i do not want|i want no|do not show|do not paint|do not draw|never show"
    r"|there (?:should be|is|are) no|avoid|hide)"
)
_AWAY: Final = r"(?:remove|delete|erase|take away|take out|get rid of|drop|cut out|throw out|throw away|wipe out|lose)"
_ADD: Final = (
    r"(?:add|insert|include|put in|put|place|draw in|paint in|throw in|also draw|also paint|also show|there should be"
    r"|let there be|and|plus|with|also|together with)"
)
_TOO_MUCH: Final = rf"(?:it is |that is |(?P<ref>.+?) (?:is|are) )?{_BIT}too (?:many |much )?"
_ALIKE: Final = (
    r"(?:(?:show me |give me |i want )?(?:more|something|others?|similar ones|some more) )?(?:like|of)"
    r" (?:that|this|it|these|those)|more of the same|similar ones|similar|more|more like that one|more like this one"
    r"|variations|show me variations"
)
_PUT: Final = r"(?:move|put|place|shift|bring|push|set|slide|drag|make)"
_LINKED: Final = f"(?:{either(v.PLACE_LINKS | set(v.PLACES_BY_LINK))}|to|into)"
_FORMS: Final[tuple[tuple[str, Form], ...]] = (
    (rf"{_CHANGE} {_IT} (?:be |in |into |to )?{_BIT}(?:an? )?{_SHAPE}{_FORMAT}?", picture.shape),
    (rf"(?:in |use |switch to |change to )?(?:an? |the )?{_SHAPE}{_FORMAT}", picture.shape),
    (rf"{_BIT}(?P<shape>wider|taller|narrower|widescreen|square)", picture.shape),
    (_ALIKE, picture.more_like_that),
    (r"(?:no|without|remove the|without the|drop the|normal|back to normal|usual|no more) style", picture.no_style),
    (r"(?:change|set|switch)(?: the)? style (?:to |into )?(?P<style>.+)", picture.named_style),
    (rf"(?:paint|draw|render|redraw|repaint) {_IT} (?:just )?like (?P<style>(?!an? ).+)", picture.named_style),
    (rf"{_CHANGE} {_IT} (?:look |be )?(?:more )?(?:in |into |to |as |like )?(?P<style>.+)", picture.style),
    (r"(?:use|switch to|try|change to|go for) (?P<style>.+?)", picture.style),
    (r"(?:more )?(?P<style>(?:in|as|like) .+)", picture.style),
    (
        r"(?:remove|delete|clear|drop|no|without|without a|without the|no more)(?: the)? background",
        picture.no_background,
    ),
    (
        r"(?:change|make|set|switch|turn|replace|paint|colou?r) the background (?:colou?r )?"
        r"(?:to |into |with |by |be |in )?(?P<place>.+)",
        picture.background,
    ),
    (r"(?:the |a )?background (?:should be |is |must be |to be |in )?(?P<place>.+)", picture.background),
    (
        rf"(?:(?:make|give|put) {_IT} |use |i want |with |on |in front of |on to |change to )*"
        rf"(?:an? |the )?(?P<place>{COLOUR}) (?:background|wall)",
        picture.background,
    ),
    (
        rf"(?:(?:put|move|place|set|take|bring|make|let|send) (?P<ref>.+?) |go )?(?:be )?(?P<place>{_LINKED} .+)",
        picture.placed,
    ),
    (
        rf"(?:{_CHANGE} {_IT}|let it|change the (?:time|weather|season)|it is|it should|set it) (?:be |in |into |to )?"
        rf"(?:an? |the )?(?P<time>{either(v.TIMES)})(?: scene| time| picture)?",
        picture.time,
    ),
    (rf"{_TOO_MUCH}(?P<what>.+)", thing.less),
    (
        rf"(?:make (?P<ref>.+?) )?{_BIT}(?:less|fewer|not (?:so|that) (?:many|much)|not so|not as) (?P<what>.+)",
        thing.less,
    ),
    (rf"(?:(?:the same|same) )?{_NOT}(?: to see| me| any)* (?P<ref>.+)", picture.without),
    (rf"{_AWAY} (?P<ref>.+?)(?: away| out)?", picture.remove),
    (r"(?:take|throw|cut) (?P<ref>.+) (?:away|out|off)", picture.remove),
    (r"(?P<back>bring back|put back) (?P<ref>.+)", picture.allow),
    (r"(?P<back>)allow (?P<ref>.+)", picture.allow),
    (r"(?P<ref>.+) (?:is|are) (?:okay|ok|fine|allowed|welcome)(?: again| now)?(?P<back>)", picture.allow),
    (r"(?:replace|swap|exchange|substitute) (?P<ref>.+?) (?:with|by|for|against) (?P<by>.+)", thing.replaced),
    (r"(?P<by>.+?),? instead of (?P<ref>.+)", thing.replaced),
    (rf"instead of (?P<ref>.+?),? (?P<by>{_NEW})", thing.replaced),
    (r"not (?P<ref>.+?),? but (?P<by>.+)", thing.replaced),
    (rf"(?P<by>{_NEW}) instead", thing.instead),
    (r"(?:swap|switch|exchange) (?P<ref>.+?) and (?P<other>.+)", thing.swap),
    (r"(?:swap|switch) (?:them|both|the two|places|sides)", thing.swap_both),
    (rf"{_PUT} (?P<ref>.+?) (?:be )?(?:further |more |a bit |a little )*(?P<to>{_WHERE})", thing.move),
    (rf"{_PUT} (?P<ref>.+?) (?:be |sit |stand )?(?P<link>{_RELATION}) (?P<to>.+)", thing.relate),
    (r"(?:(?:add|give me|i want|show me|paint|draw|and|with) )?(?P<count>\w+) more (?P<ref>.+)", thing.more_of),
    (r"(?:(?:add|and|i want|paint|draw) )?(?P<count>another) (?P<ref>.+?)(?: to it)?", thing.more_of),
    (r"(?P<count>\w+) (?:less|fewer) (?P<ref>.+)", thing.less_of),
    (
        r"(?:just |only |make it (?:just |only )?|make that |i want (?:just |only )?|keep only )"
        r"(?P<count>\w+) (?P<ref>.+)",
        thing.only,
    ),
    (rf"(?:make {_IT} |add |with |give it )?{_BIT}more (?P<what>.+)", thing.more),
    (r"give (?P<rest>.+)", thing.give),
    (
        rf"(?:change|set|make) (?:the|its) colou?r(?: of (?P<ref>.+?))? (?:to |into |be )?(?P<value>{COLOUR})",
        thing.coloured,
    ),
    (rf"(?P<verb>{_CHANGE}|colou?r|dye|set|keep|i would like) (?P<rest>.+)", thing.set_to),
    (rf"(?:change|turn|transform|convert) (?P<ref>the .+?) (?:in)?to (?P<by>the .+|{_NEW})", thing.replaced),
    (
        r"(?P<ref>.+?) (?:is|are|should be|should look|must be|shall be|could be|has to be|looks) (?P<value>.+)",
        thing.said_to_be,
    ),
    (rf"(?:(?:the )?same )?(?:in |try it in )?(?P<value>{_BIT}[\w-]+(?: [\w-]+)?)", thing.alone),
    (r"add (?P<new>.+)(?<!next)(?<!close) to (?:the picture|it|this|that|the scene)(?P<link>)", thing.add),
    (rf"(?:add|give) (?P<new>the .+?|{_NEW})(?<!next)(?<!close) to (?P<ref>.+)", thing.add_to),
    (
        rf"(?P<link>{_ADD})(?: also| in| on)? (?P<new>.+?)"
        r"(?: too| as well| also|(?<!next)(?<!close) to it| in there| there)?",
        thing.add,
    ),
    (r"(?P<new>.+?),? (?:too|as well|also)(?P<link>)", thing.add),
    (rf"(?P<where>{_WHERE}),? (?P<new>{_NEW})", thing.add_at),
    (rf"(?P<link>{_RELATION}) (?P<ref>it|the [\w-]+),? (?P<new>{_NEW})", thing.add_beside),
    (rf"(?P<link>{_RELATION}) (?P<new>.+)", thing.beside),
)
_COMPILED: Final = tuple((re.compile(pattern), form) for pattern, form in _FORMS)
_VERBS: Final = (
    "make|add|remove|delete|erase|put|move|change|turn|replace|colou?r|without|no|give|swap|place|paint|draw"
)
_NEXT: Final = re.compile(rf",? (?:and then|and also|and|then|but) (?=(?:{_VERBS})\b)|, (?=(?:{_VERBS})\b)")
_NEXT_OF_THE_SAME: Final = re.compile(r",? and (?=the )")


def changes_of(text: str, on: Focused) -> Changes:
    """What the sentence changes; empty where it is no edit."""
    if not text or len(text.split()) > _LONGEST:
        return ()
    verb = text.partition(" ")[0]
    first, *others = _NEXT_OF_THE_SAME.split(text)
    for parts in (_NEXT.split(text), [first, *(f"{verb} {other}" for other in others)]):
        if len(parts) > 1 and (several := _several(parts, on)):
            return several
    return _single(text, on)


def _several(parts: list[str], on: Focused) -> Changes:
    """One after the other, each on what the one before left; empty where one of them is no edit."""
    together: Changes = ()
    for part in parts:
        changes = _single(part, on)
        if not changes:
            return ()
        for change in changes:
            if not isinstance(change, Reshape | MoreLikeThat):
                on = changed(on, change)
        together += changes
    return together


def _single(text: str, on: Focused) -> Changes:
    for pattern, form in _COMPILED:
        if (match := pattern.fullmatch(text)) and (changes := form(match, on)):
            return changes
    return ()
