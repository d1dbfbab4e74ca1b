# Made by `make reference` from the files of this folder.
from .array_cache import ArrayCache as ArrayCache
from .block_progress import BlockProgress as BlockProgress
from .csv_rows import CsvRows as CsvRows
from .line_file import LineFile as LineFile
from .log_table import LogTable as LogTable
from .manifest import Manifest as Manifest
from .perturbation_record import PerturbationRecord as PerturbationRecord
from .reader import open_run as open_run
from .run import Run as Run
from .run_trajectories import trajectories_of_run as trajectories_of_run
from .saved_weights import SavedWeights as SavedWeights
from .stored_array import StoredArray as StoredArray
from .study_log import StudyLog as StudyLog
from .trajectories import Trajectories as Trajectories
from .trajectories import load_trajectories as load_trajectories
