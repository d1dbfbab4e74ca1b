"""The posterior samplers beside `posteriors` 0.1.3 and BlackJAX's `sgld`: bias, speed, memory.

    python benchmarks/posterior_peers.py                      # everything
    python benchmarks/posterior_peers.py --only accuracy      # one part, or several; each is a file of posterior_peers_parts
    python benchmarks/posterior_peers.py --quick              # short: shows that it runs, the figures are noise

The peers come with `pip install --no-deps -r benchmarks/peers.txt`; what is not there is a row that says so. `THERMOGRAD_DATA`
names the folder with the paper's regression data; without it they are generated. One thread, processor time. Exit code 1
if a bar is missed, unless `--quick`.

All samplers draw from the same exp(−U), U = Σ_i (y_i − f(x_i))²/2ε² + λ|θ|² with ε = 0.1, λ = 10, M = 200 samples, m = 10
in a batch, in float64, from the minimum of U. The peers are called as their pages say, and with that

- `posteriors`: log posterior = mean log likelihood of the batch + log prior / M, temperature = 1/M. Its update is
  θ + lr·∇ + √(2·lr·temperature) z, so that lr = η M is our η;
- BlackJAX: `grad_estimator(log prior, log likelihood of a sample, M)` is an estimate of −∇U and its update
  θ + step_size·∇ + √(2·step_size·temperature) z, so that step_size = η and temperature = 1.

Both are thus the same Markov chain, whose exact stationary state is known on the linear regression: what is measured there
stands beside it, and a sampler whose target were another one would show. Each is given two loaders, reshuffled epochs, and
batches drawn independently of each other (with the samples of one batch distinct, a little less noisy than with repeats).
"""

from __future__ import annotations

import argparse
import importlib
import os

PARTS = ("accuracy", "network", "correction", "own_loop", "ensemble")
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
}


def main() -> int:
    """Measure the parts asked for and print their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    os.environ.update(ONE_THREAD)  # read when numpy, torch and jax are imported, which the parts do
    machine = importlib.import_module("engines_parts.machine")
    print(f"{machine.facts()}\n", flush=True)
    met = True
    for part in asked.only:
        print(f"{part}:")
        for row in importlib.import_module(f"posterior_peers_parts.{part}").rows(asked.quick):
            met &= row.met is not False
            print(row, flush=True)
    return int(not met and not asked.quick)


if __name__ == "__main__":
    raise SystemExit(main())
