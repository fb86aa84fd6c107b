"""Two names of one file system change places in one step, where the kernel has one (Linux's `renameat2`)."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

_HERE = -100  # AT_FDCWD: relative paths are taken from the working directory
_EXCHANGE = 2  # RENAME_EXCHANGE


@cache
def _renameat2() -> Callable[..., Any] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # glibc below 2.28, musl
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    function.restype = ctypes.c_int
    return function


def exchange(a: str, b: str) -> None:
    """`a` and `b`, which both exist, change places: whoever looks, at any moment, finds one of them under each name.

    Raises:
        OSError: the system (ENOSYS) or the file system (EINVAL) cannot do it, or a rename would fail, too (EXDEV,
            EBUSY, EACCES …).
    """
    function = _renameat2()
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), a, None, b)
    if function(_HERE, os.fsencode(a), _HERE, os.fsencode(b), _EXCHANGE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), a, None, b)
