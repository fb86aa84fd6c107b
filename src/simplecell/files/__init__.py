"""Files replaced whole or not at all, and files read only if nobody else can have written them.

The standard library only.
"""

from .exchange import exchange
from .private import NotPrivate, open_to_others, read_private
from .replace import recover, remove_folder, replacing, replacing_folder, together

__all__ = [
    "NotPrivate",
    "exchange",
    "open_to_others",
    "read_private",
    "recover",
    "remove_folder",
    "replacing",
    "replacing_folder",
    "together",
]
