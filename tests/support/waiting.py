# SPDX-License-Identifier: Apache-2.0
"""Waiting for other programs, for no fixed time."""
import time


def until(condition, what="what the test waits for", seconds=60):
    """What `condition` returns, once that is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"never: {what}")
        time.sleep(0.005)
    return value
