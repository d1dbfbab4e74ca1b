"""Which figures the gallery shows, and why others are missing: every experiment of every reproduction."""

from __future__ import annotations

from collections.abc import Mapping

from gallery_parts.shown import Shown

_MNIST = "needs MNIST, and trains for longer than the three minutes of one core that a figure may take"
_CIFAR10 = "needs CIFAR-10, and trains for longer than the three minutes of one core that a figure may take"
_LONG = "trains for longer than the three minutes of one core that a figure may take"
_RECORDED = "the same figures as above, of other recorded runs"

SELECTION: Mapping[str, Mapping[str, tuple[Shown, ...] | str]] = {
    "first_passage": {
        "cifar10": (
            Shown(
                "survival",
                "Most runs arrive early, and three in ten are still under way when the recording ends.",
            ),
            Shown(
                "mean_values",
                "Each kick throws the accuracy back for a few epochs, and then takes it beyond where it was stuck.",
            ),
            Shown(
                "plateau",
                "How long a run still needs after a kick depends little on when the kick comes, so that what is measured at one "
                "interval predicts the others.",
            ),
            Shown(
                "speed_up",
                "How much sooner runs arrive, as theory predicts (lines, dashed where it claims nothing) and as runs perturbed so often did (squares).",
                height=440,
            ),
        ),
        "digits": "may take up to six minutes of one core; the recorded runs above show the same and more",
        "cifar100-momentum": _RECORDED,
        "cifar100": "its recorded runs have to be supplied",
        "phase-retrieval": _RECORDED,
    },
    "fluctuation_dissipation": {
        "digits": (
            Shown(
                "both_sides",
                "Dissipation and fluctuation of a training that begins are far apart, and meet where the loss at this learning rate has "
                "gone as far as it will.",
                height=540,
            ),
            Shown(
                "equilibration",
                "What a watch says along a training whose learning rate is cut three times: warming up, then whether all directions "
                "have equilibrated, with the evidence above and below.",
                height=680,
                top=30,
            ),
            Shown(
                "landscape_response",
                "The squared gradient of the whole training set grows with the learning rate as a quadratic loss allows, and reshuffled "
                "batches make less of it.",
                height=380,
            ),
        ),
        "ratio-mlp": _MNIST,
        "ratio-cnn": _CIFAR10,
        "rates": _MNIST,
        "rates-cnn": _CIFAR10,
        "landscape": _MNIST,
        "schedules": "curves of schedules that do as well as one another: [what we found](reproduce.md#fluctuation_dissipation)",
        "first-cut": "a few numbers, better read than drawn: [what we found](reproduce.md#fluctuation_dissipation)",
    },
    "stationary_state": {
        "regression": "takes more than three minutes of one core; the classifier below shows the same of 160 weights",
        "digits": (
            Shown(
                "elements_covariance",
                "The simulated covariance of the weights against the predicted one, element by element; on the dotted line they are equal.",
                height=400,
            ),
            Shown(
                "detailed_theorem",
                "A stretch of training that produces the entropy σ is exp(σ) times as frequent as one that takes it back, as a "
                "fluctuation theorem demands (line).",
            ),
        ),
        "mnist": _MNIST,
    },
    "sgworld": {
        "regression": (
            Shown(
                "divergence",
                "On the left the distance from the posterior that the continuous theory promises, on the right what the algorithms "
                "reach, exactly (lines) and simulated (points).",
                height=560,
            ),
            Shown(
                "virial_by_mode",
                "In stiff directions SGLD and SGWORLD as published are too hot, and corrected SGWORLD lies on the posterior's line.",
            ),
            Shown(
                "predictive_band",
                "A posterior over seven weights gives the function a narrow band and new data a wide one.",
            ),
        ),
        "digits": "shows that predictions hardly differ: [what we found](reproduce.md#sgworld)",
    },
    "aging": {
        "trimers": (
            Shown(
                "aging_collapse_2_hidden_layers",
                "The older the training, the longer it takes to move by the same distance (above), and one power of the age brings all "
                "curves onto one another (below).",
                height=660,
            ),
            Shown(
                "characteristic_times",
                "The time to move by a given distance grows with the age of the training, less than in proportion to it, and at every "
                "depth alike.",
            ),
            Shown(
                "negative_fraction",
                "Directions in which the loss curves down become fewer along training, and the deeper the network, the more of them "
                "are left.",
            ),
        ),
        "digits": "asks the same of digits, with the same figures",
        "mnist": "needs MNIST; the same figures as of three atoms",
        "gap": "one cloud of points, whose order rests mostly on the size of the training set",
    },
    "effective_noise": {
        "mixture": (
            Shown(
                "temperature_by_lag",
                "SGD is about as hot at every lag, and batches that are remembered make the temperature grow with the lag, so that no "
                "single number says it.",
                height=380,
            ),
            Shown(
                "noise_by_persistence",
                "The longer a sample stays in the batches, the hotter the weights and the further apart replicas end: theory (lines) and "
                "training (points).",
                height=560,
            ),
            Shown(
                "width_against_distance",
                "On the same data the decision boundary is the wider beyond that of gradient descent, the further apart the noise of "
                "the algorithm drives replicas.",
                height=400,
            ),
        ),
    },
    "engines": {
        "speed": "speeds of one machine on one day: [measured speeds](benchmarks.md)",
    },
    "running": {
        "reliability": "has a table and no figure: [what a run survives](reliability.md)",
    },
}
