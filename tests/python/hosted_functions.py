"""Functions for the tests of the function host."""

from __future__ import annotations

import os
import time


def well(event, context):
    left = context.get_remaining_time_in_millis()
    return {"event": event, "left": 0 < left <= 3000, "name": context.function_name, "pid": os.getpid()}


def fail(event, context):
    raise KeyError("not there")


def leave(event, context):
    os._exit(3)


def hang(event, context):
    time.sleep(600)


def choose(event, context):
    """All of them, one function."""
    return {"well": well, "fail": fail, "leave": leave, "hang": hang}[event["do"]](event, context)
