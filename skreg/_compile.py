"""How functions are compiled: flags and disk cache, decided in one place.

Compiled functions are plain, serial ``njit`` that release the GIL; parallelism is left to
threads or processes outside. They take arrays, numbers and small tuples. Compiled classes,
functions as arguments and closures over compiled functions are not used, because Numba
would compile them again in every process.
"""

import hashlib
import warnings
from pathlib import Path

from numba import config, njit
from numba.core import caching
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic

# Sums may be reordered and fused, so that they are vectorized. ``nnan`` and ``ninf`` are
# left out on purpose: with them, tests for NaN and infinity may be optimized away.
REORDERED = frozenset({"reassoc", "contract", "arcp", "nsz", "afn"})
# Sums over indexed elements keep their order: reordered, LLVM turns them into vector
# gathers, which are slower than single loads on some processors.
IN_ORDER = frozenset({"contract", "arcp", "nsz", "afn"})
# Where a result must be the same to the bit, whatever is compiled around it.
EXACTLY: frozenset[str] = frozenset()


# The folders that hold compiled code, and all that it calls.
_COMPILED_FOLDERS = ("losses", "data", "kernels")


def _hash_sources():
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for folder in _COMPILED_FOLDERS:
        for path in sorted((Path(__file__).parent / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


SOURCES = _hash_sources()


class _PackageCache(caching.FunctionCache):
    """Numba's disk cache, keyed by all sources of compiled code and never fatal.

    Numba alone watches only the file in which a function is defined: a loss edited in
    another file would silently keep its old machine code. A cache that cannot be read or
    written (no permission, a truncated file) means compiling in memory, and one warning.
    """

    def _index_key(self, sig, codegen):
        return (*super()._index_key(sig, codegen), SOURCES)

    def load_overload(self, sig, target_context):
        try:
            overload = super().load_overload(sig, target_context)
        except (AttributeError, ImportError):  # an older version, whose names are gone
            self._start_over()
            return None
        except Exception as error:
            _warn_once(error)
            return None
        # Processes that save at the same time may give one file two meanings.
        wanted, _ = normalize_signature(sig)
        right = overload is not None and tuple(overload.signature.args) == tuple(wanted)
        return overload if right else None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _warn_once(error)
            self._start_over()

    def _start_over(self):
        """Empty an unreadable index, so that the next process finds a sound one."""
        try:
            self.flush()
        except OSError:
            pass


_warned = False


def _warn_once(error):
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "skreg compiles in memory because Numba's disk cache cannot be used "
            f"({type(error).__name__}: {error}); set NUMBA_CACHE_DIR to a writable folder.",
            RuntimeWarning,
            stacklevel=2,
        )


def compiled(function=None, *, fastmath=REORDERED):
    """Compile `function`; with ``NUMBA_DISABLE_JIT=1`` it comes back as it is."""
    if function is None:
        return lambda function: compiled(function, fastmath=fastmath)
    dispatcher = njit(
        nogil=True,
        error_model="numpy",
        fastmath=set(fastmath),
        no_cfunc_wrapper=True,  # for callers in C, of which there are none
    )(function)
    if dispatcher is not function:
        try:
            dispatcher._cache = _PackageCache(function)
        except RuntimeError:
            pass  # no folder can hold a cache file: compile in memory
    return dispatcher


def formula(function):
    """Let compiled functions hold the lines of `function`, each with its own flags.

    Loops that differ in these share one definition, and get the code that they would have
    if the lines stood in them. Numba copies them before it looks at types; a function that
    is called, it would compile twice: alone, and again in its caller.
    """
    return njit(inline="always")(function)


def emitted(twin):
    """Let compiled functions call what is decorated, an emitter of LLVM's instructions.

    Without compilation, `twin` takes its place.
    """
    return lambda emitter: twin if config.DISABLE_JIT else intrinsic(emitter)
