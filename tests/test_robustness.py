import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "robustness.py"


def test_random_problems_get_the_models_they_should():
    """Tiny ones, without compilation, which would take longer than all of them."""
    command = [sys.executable, SCRIPT, "--values", "100", "--problems", "24"]
    result = subprocess.run(
        command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
