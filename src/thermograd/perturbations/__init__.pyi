# Made by `make reference` from the files of this folder.
from .continual_backprop import ContinualBackprop as ContinualBackprop
from .hidden_layers import HiddenLayers as HiddenLayers
from .live_state import LiveState as LiveState
from .partial_reset import PartialReset as PartialReset
from .reset import Reset as Reset
from .reset_to_best import ResetToBest as ResetToBest
from .shrink_and_perturb import ShrinkAndPerturb as ShrinkAndPerturb
from .warm_restart import WarmRestart as WarmRestart
