"""One thread for the matrices of a model, which are small.

The number of threads of a BLAS library belongs to the process. Only the main thread sets
and restores it, so that fits which overlap in other threads cannot leave it changed; they
take the number that they find.
"""

import functools
import threading
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


@functools.cache
def _controller():
    return ThreadpoolController()


@contextmanager
def single_threaded_blas():
    """Let BLAS use one thread, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield
