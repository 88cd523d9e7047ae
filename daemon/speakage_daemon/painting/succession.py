"""Painting on another backend while engines are being made, and the change to the one that was meant.

The first start with a model makes its engines, which takes a minute or more. Where the configuration allows it, torch
paints meanwhile, slower; a badge says so until the engines are there. When they cannot be made it goes on.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from speakage_daemon.painting.board import Board
from speakage_daemon.painting.painter import Painter
from speakage_engines import api

log = logging.getLogger(__name__)

WhileBuilding: TypeAlias = Literal["wait", "torch"]
BADGE = "engines"


def stand_in(wanted: api.PictureSpec, while_building: WhileBuilding) -> api.PictureSpec | None:
    """What paints until the engines of ``wanted`` are made; None when none have to be, or nothing else may."""
    if while_building == "wait" or not api.needs_building(wanted):
        return None
    return dataclasses.replace(wanted, backend=while_building, precision="auto", device="auto")


async def succeed(
    loading: Awaitable[api.PictureModel], painter: Painter, board: Board, arrived: Callable[[api.PictureModel], None]
) -> None:
    """Wait for the model that was meant, let it paint from the next picture on, and tell ``arrived``."""
    board.set_badge(BADGE, "The engines are being made; until then torch paints, slower.")
    try:
        model = await loading
    except api.EngineError as error:
        log.warning("the engines could not be made: %s", error)
        board.set_badge(BADGE, f"The engines could not be made, so torch goes on painting, slower: {error}")
        return
    painter.succeed(model)
    board.clear_badge(BADGE)
    arrived(model)
