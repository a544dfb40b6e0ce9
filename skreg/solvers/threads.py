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
def _libraries():
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def single_threaded_blas():
    """Let BLAS use one thread, if this is the main thread."""
    limits = [library.num_threads for library in _libraries().lib_controllers]
    others_may_run = threading.current_thread() is not threading.main_thread()
    if others_may_run or limits == [1] * len(limits):
        yield
        return
    with _libraries().limit(limits=1):
        yield
