"""The split of a start, from what the child writes; the start itself is in the system tests."""

from __future__ import annotations

import sys

import pytest

from speakage_engines.bench.plan import BenchError
from speakage_engines.bench.start import read_split, whole_start

SAID = """\
import time: self [us] | cumulative | imported package
import time:    500000 |     500000 | encodings
speakage start: 101.0 interpreter
import time:   1000000 |    1000000 |   numpy
import time:    500000 |    1500000 | torch
some warning of a library
speakage start: 103.5 speech
speakage start: 104.0 picture
"""


def test_importing_is_taken_out_of_every_part() -> None:
    split = read_split(SAID, began=100.0)
    assert split == {"interpreter": 0.5, "importing": 2.0, "speech": 1.0, "picture": 0.5}
    assert sum(split.values()) == 4.0


def test_a_start_lasts_until_the_address_is_printed() -> None:
    said = "print('loading'); print('The display is at http://127.0.0.1:1/', flush=True); import time; time.sleep(60)"
    assert 0 < whole_start([sys.executable, "-c", said]) < 50


def test_a_daemon_that_ends_before_it_is_ready_is_one_sentence() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('speakage: the port is taken')"]
    with pytest.raises(BenchError, match=r"did not become ready \(status 1\): speakage: the port is taken"):
        whole_start(command)
