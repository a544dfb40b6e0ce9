"""Processes that fit: each solver has one per problem, and may be stopped at any time.

They are forked, so that all of them read the same copy of the data.
"""

import logging
import multiprocessing
import os
import time
import warnings

import numpy as np
from libraries import COMPILING
from objectives import Task, alpha_max
from threadpoolctl import threadpool_limits

START_SECONDS = 90.0  # to import, compile and fit, untimed


class Worker:
    """A process that fits one problem by one solver."""

    def __init__(self, solver, problem):
        self.solver, self.problem = solver, problem
        self.process, self.error = None, None

    def prepare(self, l1_ratio):
        """Import and compile for fits with this `l1_ratio`; return whether it went."""
        if self.process is None:
            context = multiprocessing.get_context("fork")
            self.pipe, theirs = context.Pipe()
            arguments = (theirs, self.solver, self.problem)
            self.process = context.Process(target=_serve, args=arguments)
            self.process.start()
            theirs.close()
        return self._ask(("prepare", None, l1_ratio, None), START_SECONDS) is not None

    def fit(self, alpha, l1_ratio, tol, patience):
        """Return the seconds of a fit and what it found, or None if it failed."""
        return self._ask(("fit", alpha, l1_ratio, tol), patience)

    def _ask(self, question, patience):
        try:
            self.pipe.send(question)
            if self.pipe.poll(patience):
                answer, self.error = self.pipe.recv()
                return answer
            self.error = f"stopped after {patience:.0f} s"
        except (EOFError, OSError):
            self.error = "the process ended"
        self.stop()
        return None

    def stop(self):
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def _serve(pipe, solver, problem):
    """Answer questions until the process is killed, or is left alone."""
    parent = os.getppid()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    for stream in (1, 2):  # compiled code prints there
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    np.seterr(all="ignore")
    whole, small = (Task(q.X, q.y, q.loss, 0.0, 0.0) for q in (problem, problem.slice()))
    small_alpha = alpha_max(small) / 3.0
    # What is compiled may depend on the tolerance: a loose and a tighter one see it all.
    tols = solver.ladder[:3:2] if solver.library in COMPILING else solver.ladder[:1]
    with threadpool_limits(1):
        while True:
            while not pipe.poll(1.0):
                if os.getppid() != parent:  # nobody will ask again
                    return
            question, alpha, l1_ratio, tol = pipe.recv()
            try:
                if question == "prepare":
                    task = small._replace(alpha=small_alpha, l1_ratio=l1_ratio)
                    answer = [len(solver.fit(task, tol).coef) for tol in tols]
                    if solver.library in COMPILING:  # a slice may not need all of the code
                        for alpha in alpha_max(whole) / np.array([10.0, 1000.0]):
                            task = whole._replace(alpha=alpha, l1_ratio=l1_ratio)
                            solver.fit(task, tols[0])
                else:
                    task = whole._replace(alpha=alpha, l1_ratio=l1_ratio)
                    start = time.perf_counter()
                    fitted = solver.fit(task, tol)
                    answer = time.perf_counter() - start, fitted
                pipe.send((answer, None))
            except Exception as error:  # a peer may raise anything; the report names it
                pipe.send((None, f"{type(error).__name__}: {error}".splitlines()[0][:120]))
