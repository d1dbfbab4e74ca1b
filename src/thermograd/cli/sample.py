"""`thermograd sample`: draws from a posterior, with the verdict whether they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from thermograd.cli.exit_codes import DONE, INCOMPLETE


def sample(
    *config: Annotated[str, Parameter(allow_leading_hyphen=True)],
    prior_precision: float | Literal["none"] | None = None,
    burn_in: int | None = None,
    thin: int = 1,
    virial_every: int = 10,
    directions: int = 0,
    start: Path | None = None,
    out: Path | None = None,
    export: Literal["netcdf", "npz"] | None = None,
    dry_run: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    allow_import: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Draw weights from a posterior by the chains of a config, and say whether they converged.

    The config names problem, dynamics (sgld or sgworld), trajectories (the chains), epochs, and maybe minibatching.batch_size, seed,
    dtype, engine. The chains are kept in a run directory, where the same command goes on after an interruption; the draws
    are written beside them, DIR/draws.safetensors. The last line on stdout is that file.

    Args:
        config: a TOML file; any key can be changed: --KEY.PATH VALUE, as in --dynamics.learning_rate 1e-6.
        prior_precision: 1/variance of the Gaussian prior of each weight; 0 for a flat one; none if loss and regulariser of
            the problem are the negative log posterior already. It has no default.
        burn_in: epochs before the first draw; half of them if it is not given.
        thin: epochs from draw to draw.
        virial_every: draws from one measurement of the full gradient to the next.
        directions: how many of the stiffest directions are measured apart.
        start: safetensors file of weights by name to start from; the problem's initial weights if it is not given.
        out: run directory; posterior/NAME-IDENTITY if it is not given.
        export: write DIR/draws.nc (needs the extra arviz) or DIR/draws.npz too.
        dry_run: say which learning rate would do and what the chains would take; write nothing.
        json: print one JSON object.
        allow_import: allow kinds of the form module:name, which import code.

    Returns:
        The exit code: 1 if the draws are not shown to have converged.

    Raises:
        ConfigError: a config or an option cannot be used.
        UnstableStepSizeError: the learning rate is beyond the limit of stability.
    """
    from thermograd.cli.posterior_of_config import Sampling, advise_on_config, sample_config

    wanted = Sampling(
        prior_precision=prior_precision,
        burn_in=burn_in,
        thin=thin,
        virial_every=virial_every,
        directions=directions,
        start=start,
        out=out,
        export=export,
    )
    if dry_run:
        advise_on_config(config, wanted, as_json=json, allow_import=allow_import)
        return DONE
    converged = sample_config(config, wanted, as_json=json, allow_import=allow_import)
    return DONE if converged else INCOMPLETE
