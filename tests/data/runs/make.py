"""Makes the two runs of this format, once, when the format is new; what was released is never made again.

python tests/data/runs/make.py
"""

from pathlib import Path

from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import Every
from thermograd.observables import Displacement, Loss
from thermograd.perturbations import ShrinkAndPerturb
from thermograd.problems import Quadratic
from thermograd.store.manifest_file import FORMAT_VERSION

EXPERIMENT = Experiment(
    problem=Quadratic(),
    minibatching=WithReplacement(10),
    observe=[Loss(at=Every(3)), Displacement()],
    save_weights=Every(10),
    perturbation=ShrinkAndPerturb(),
    perturb=Every(8),
    trajectories=5,
    block_size=2,
    steps=20,
    seed=3,
    engine="eager",
)


def main() -> None:
    """Both runs, without the reserve, which takes a megabyte and is made when a run goes on."""
    folder = Path(__file__).parent / f"format-{FORMAT_VERSION}"
    run(EXPERIMENT, store=folder / "finished", name="kept")
    run(EXPERIMENT, store=folder / "interrupted", name="kept", until=7)
    (folder / "interrupted" / "reserve").unlink()


if __name__ == "__main__":
    main()
