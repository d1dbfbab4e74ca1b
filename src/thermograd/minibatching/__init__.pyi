# Made by `make reference` from the files of this folder.
from .batch_sampler import BatchSampler as BatchSampler
from .persistent import Persistent as Persistent
from .with_replacement import WithReplacement as WithReplacement
from .without_replacement import WithoutReplacement as WithoutReplacement
