"""How the kernel chooses the samples of an update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermograd.ensemble.engines.kernel.terms import TYPE, Term
from thermograd.minibatching.persistent import Persistent
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.minibatching.without_replacement import WithoutReplacement

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment

_LARGEST = 2**20
_FEW = 48


@dataclass(frozen=True)
class Sampling:
    """The rule as the kernel carries it out.

    Attributes:
        rule: "distinct", "repeated", "reshuffled", "spread", "persistent" (all samples, weighted by whether they are
            selected), "all" (no choice), or "given": indices and weights are drawn by the minibatching itself and come
            with a call.
        samples: M.
        size: m.
        per_epoch: updates per epoch.
        fraction: of a persistent rule, b.
        enter: words below this let a sample in,
        leave: and below this out.
    """

    rule: str
    samples: int
    size: int
    per_epoch: int
    fraction: float = 1.0
    enter: int = 0
    leave: int = 0

    @classmethod
    def of(cls, experiment: Experiment) -> Sampling:
        """That of an experiment."""
        minibatching, samples = experiment.minibatching, experiment.functional.samples
        per_epoch = experiment.steps_per_epoch
        start = minibatching.start(experiment.seed, (0,), samples)
        size = minibatching.draw(start, experiment.seed, (0,), 0, samples)[0].indices.shape[1]
        if type(minibatching) is Persistent and not minibatching.fixed_size:
            enter, leave = minibatching.limits
            return cls("persistent", samples, size, per_epoch, minibatching.fraction, enter, leave)
        if getattr(minibatching, "batch_size", 0) is None:
            rule = "all"
        elif type(minibatching) is WithReplacement and (samples <= _LARGEST or size <= _FEW):
            rule = "distinct" if minibatching.distinct else "repeated"
        elif type(minibatching) is WithoutReplacement and samples <= _LARGEST:
            rule = "spread" if minibatching.remainder == "spread" else "reshuffled"
        else:
            rule = "given"
        return cls(rule, samples, size, per_epoch)

    @property
    def _table(self) -> bool:
        """Whether a permutation is kept."""
        return self.rule in {"reshuffled", "spread"} or (self.rule == "distinct" and self.size > _FEW)

    @property
    def bytes(self) -> int:
        """Size of a `Sampler` of one trajectory."""
        place = 2 if self.samples <= 2**16 else 4
        table = -(-self.samples * place // 4) * 4 + 4 * self.size
        return 8 + (-(-table // 8) * 8 if self._table else 0)

    def declarations(self) -> str:
        """The type `Sampler`, which a thread has one of."""
        held = f"Permutations<{self.samples}, {self.size}> permutations;" if self._table else ""
        start = (
            "epoch = -1;" if self.rule != "distinct" else "permutations.identity();" if self._table else ""
        )
        return (
            f"namespace {{ struct Sampler {{ static constexpr int SIZE = {1 if self.rule in {'all', 'persistent'} else self.size}; "
            f"{held} int64_t epoch; DEVICE void start() {{ {start} }} }}; }}"
        )

    def statements(self) -> str:
        """What fills `w.chosen` for an update."""
        arguments = "call.key, uint32_t(step), trajectory"
        match self.rule:
            case "distinct":
                if self.size <= _FEW:
                    return f"  few_distinct<{self.samples}, {self.size}>({arguments}, w.chosen);"
                return f"  w.sampler.permutations.distinct({arguments}, w.chosen);"
            case "repeated":
                return f"  independent<{self.samples}, {self.size}>({arguments}, w.chosen);"
            case "reshuffled" | "spread":
                return self._permuted()
            case "given":
                return (
                    f"  for (int j = 0; j < {self.size}; j++) for (int l = 0; l < LANES; l++)\n"
                    f"    w.chosen[j][l] = call.chosen[((step - call.first) * call.members + row[l]) * {self.size} + j];"
                )
        return ""

    def weights(self, term: Term, selected: str) -> list[str]:
        """What fills the weights of the samples, if there are any.

        Args:
            term: their place.
            selected: where a persistent rule keeps which samples are selected; those of the next update afterwards.
        """
        kind = TYPE[term.dtype]
        number = "float" if term.dtype == "float32" else "double"
        if self.rule == "persistent":
            return [
                f"  for (int j = 0; j < {self.samples}; j++) {term.name}[j] = select({selected}[j], "
                f"{kind}_(({number}){1 / self.fraction!r}), {kind}_(0));",
                f"  persist<{self.samples}>({selected}, call.key, uint32_t(step + 1), trajectory, {self.enter}ull, "
                f"{self.leave}ull);",
            ]
        if self.rule == "spread":
            share = self.size * self.per_epoch / self.samples
            return [
                f"  for (int j = 0; j < {self.size}; j++) {term.name}[j] = {kind}_(j < last - first ? "
                f"({number}){share!r} : 0);"
            ]
        return [
            f"  for (int j = 0; j < {self.size}; j++) for (int l = 0; l < LANES; l++) (({number}*){term.name})[j * LANES + l] =\n"
            f"    ({number})call.shares[((step - call.first) * call.members + row[l]) * {self.size} + j];"
        ]

    def _permuted(self) -> str:
        samples, per_epoch = self.samples, self.per_epoch
        if self.rule == "spread":
            first, last = (
                f"int((2 * {place} * {samples}ll + {per_epoch}) / {2 * per_epoch})"
                for place in ("position", "(position + 1)")
            )
            bounds = first, last
        else:
            bounds = (f"int(position * {self.size})", f"int((position + 1) * {self.size})")
        padding = (
            f"\n  for (int j = last - first; j < {self.size}; j++) for (int l = 0; l < LANES; l++) w.chosen[j][l] = 0;"
            if self.rule == "spread"
            else ""
        )
        return f"""\
  const int64_t epoch = step / {per_epoch}, position = step % {per_epoch};
  const int first = {bounds[0]}, last = {bounds[1]};
  if (epoch != w.sampler.epoch) {{
    w.sampler.epoch = epoch;
    w.sampler.permutations.identity();
    for (int i = 0; i < first; i += {self.size})
      w.sampler.permutations.shuffle(i, i + {self.size} < first ? i + {self.size} : first, call.key, uint32_t(epoch), trajectory, w.chosen);
  }}
  w.sampler.permutations.shuffle(first, last, call.key, uint32_t(epoch), trajectory, w.chosen);{padding}"""
