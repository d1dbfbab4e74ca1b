"""Sizes at which pages and examples run in every run of the tests; `make test-slow` runs them as they stand."""

from __future__ import annotations

SIZES: dict[str, dict[str, str]] = {
    # pages
    "README.md": {
        "range(140)": "range(30)",
        "range(6000)": "range(1500)",
        "chains=16": "chains=4",
        "epochs=2500": "epochs=120",
        "trajectories=64": "trajectories=16",
    },
    "effective_noise.md": {'"paths": 4000': '"paths": 1000', "paths=4000": "paths=1000"},
    "fluctuation_dissipation.md": {"modes, 8000": "modes, 2000", "10_000, traj": "2000, traj"},
    "has_my_training_equilibrated.md": {"(1, 32, 64, 64)": "(1, 8, 16, 16)"},
    "plateau_or_glass.md": {"12_000": "7000", "range(3000)": "range(1000)", "steps=1000": "steps=300"},
    "run_on_a_cluster.md": {"workers=2": "workers=1"},
    "what_does_my_learning_rate_cost.md": {"range(4000)": "range(1000)"},
    "which_sampler_which_step_size.md": {"epochs=2500": "epochs=400", "draws.draws, 5": "draws.draws, 20"},
    "which_temperature_at_which_lag.md": {
        '"burn_in": 1500, "windows": 8': '"burn_in": 100, "windows": 2',
        "windows=16": "windows=2",
    },
    # examples
    "calibrated_ensemble.py": {
        "range(100)": "range(10)",
        "chains=8": "chains=4",
        "epochs=1200": "epochs=60",
        "burn_in=600": "burn_in=24",
        "600": "200",
    },
    "effective_temperature.py": {"burn_in=600": "burn_in=50", "windows=8": "windows=3", "lags=60": "lags=30"},
    "first_passage.py": {"trajectories=24": "trajectories=8"},
    "journey_figure_of_a_paper.py": {'"epochs": "12"': '"epochs": "4"', '("50", "125")': '("125",)'},
    "journey_lightning_plateau.py": {
        "fit(module, 45": "fit(module, 8",
        "fit(module, 5)": "fit(module, 1)",
        "trajectories=6": "trajectories=2",
    },
    "own_training_loop.py": {"trajectories=24": "trajectories=6"},
    "stationary_state.py": {"train(6000)": "train(600)"},
    "watch.py": {"128, 15": "24, 15", "epoch == 100": "epoch == 20"},
    "watch_a_run_age.py": {"15_000, 50": "3000, 50"},
    "watch_lightning.py": {"max_epochs=128": "max_epochs=10"},
    "watch_transformers.py": {"num_train_epochs=100": "num_train_epochs=5"},
}


def smaller(name: str, text: str) -> str:
    """The text with the sizes of its row.

    >>> smaller("stationary_state.py", "train(500); train(6000)")
    'train(500); train(600)'
    """
    for there, here in SIZES.get(name, {}).items():
        assert there in text, f"{name} says {there!r} no more: mend its row of SIZES in {__file__}"
        text = text.replace(there, here)
    return text
