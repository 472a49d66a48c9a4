"""What a process does with its memory once it is loaded."""

import gc


def settle() -> None:
    """
    Leave everything that is loaded by now out of garbage collection: it stays for good.

    A program's modules are some 200,000 objects. The collector would go through all of them again and again while a large
    piece of work makes objects of its own: half of what sealing costs in Python. And what it does not touch stays shared with
    the processes that are forked later.
    """
    gc.freeze()
