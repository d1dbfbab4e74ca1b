"""Which verdicts are counted, by the module that makes them, and why the others are not."""

from __future__ import annotations

COUNTED = {
    "advisor.brute_force": "tg.advise",
    "advisor.recommendation": "tg.advise",
    "advisor.relaxation": "relaxation_time",
    "estimators.aging_exponent": "aging_exponent",
    "estimators.detailed_balance": "detailed_balance",
    "estimators.gradient_noise": "gradient_noise_scale",
    "estimators.landscape_response": "landscape_response",
    "estimators.learning_phases": "learning_phases",
    "estimators.lyapunov_residual": "lyapunov_residual",
    "estimators.plateau": "plateau_test",
    "estimators.posterior_convergence": "convergence",
    "estimators.quasi_steady_state": "relaxation_time",
    "estimators.stationarity": "tg.watch",
    "estimators.temperature_verdict": "effective_temperature",
    "estimators.waiting_or_cutting": "waiting_or_cutting",
}
"""Module of thermograd -> under which name its verdicts are counted."""

EXACT, FACT, PASSED_ON = "computed", "facts", "passed on"

NOT_COUNTED = {
    "theory.curvature": (EXACT, "no minimum, unstable, diffusing, no noise"),
    "theory.earthquake": (EXACT, "no noise"),
    "theory.equilibrium": (EXACT, "equilibrium, Boltzmann, nonequilibrium"),
    "theory.linear_process": (EXACT, "unstable"),
    "theory.multiplicative_noise": (EXACT, "infinite variance"),
    "theory.sample_parabolas": (EXACT, "improper"),
    "theory.sampler_fokker_planck": (EXACT, "no stationary state"),
    "theory.sampler_moments": (EXACT, "no stationary state"),
    "advisor.posterior_step": (EXACT, "curvature known"),
    "advisor.caveats": (FACT, "never reached, diverged, nothing to perturb, not covered by Eq. 9"),
    "advisor.temperature_sweep": (FACT, "diverged"),
    "cli.recorded_estimate": (FACT, "nothing committed"),
    "report.comparison_page": (FACT, "different problems, recorded by some"),
    "report.page": (FACT, "not all drawn"),
    "report.run_facts": (FACT, "failed blocks, incomplete, stayed finite, salvaged"),
    "training.schedulers.reduce_lr_on_stationarity": (
        FACT,
        "gain of a cut: what the recorded losses did, without an error",
    ),
    "training.watch_estimates": (FACT, "not finite"),
    "training.watch_text": (FACT, "not finite, learning rate changing, too few blocks"),
    "advisor.learning_rate_decay": (PASSED_ON, "those of `tg.watch` and `waiting_or_cutting`"),
    "ensemble.local_learning_coefficient": (PASSED_ON, "those of `convergence`; no minimum is computed"),
    "training.schedulers.cut_rules": (
        PASSED_ON,
        'those of `tg.watch` and `waiting_or_cutting`; `rule="ratio"` is the paper\'s, a number beside a limit: its first cuts are under [benchmarks](benchmarks.md)',
    ),
}
"""Module -> (why its verdicts are not counted, what they say)."""

WHY = {
    EXACT: "Computed from given parameters, with no data to be misled by",
    FACT: "Facts of the records at hand, with no inference",
    PASSED_ON: "Verdicts of others, passed on",
}
