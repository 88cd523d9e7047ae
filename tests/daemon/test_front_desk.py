"""Wishes that come before there is anybody to fulfil them."""

import numpy as np
import pytest

from speakage_daemon.errors import ServeError
from speakage_daemon.events import CanvasStart, PromptCreate
from speakage_daemon.front_desk import FrontDesk


def test_while_the_models_load_every_wish_is_answered_with_a_sentence() -> None:
    desk = FrontDesk()
    for wish in (
        desk.listen_start,
        desk.listen_stop,
        lambda: desk.paint(PromptCreate(prompt="a car")),
        lambda: desk.start_from(CanvasStart()),
        lambda: desk.keep_picture(np.zeros((4, 4, 3), np.uint8)),
        lambda: desk.take_floor("phone", 16_000, "pcm_s16le"),
    ):
        with pytest.raises(ServeError, match="still loading"):
            wish()
