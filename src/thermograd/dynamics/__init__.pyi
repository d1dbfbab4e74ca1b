# Made by `make reference` from the files of this folder.
from .adam import Adam as Adam
from .earthquake import Earthquake as Earthquake
from .sgd import SGD as SGD
from .sgld import SGLD as SGLD
from .sgworld import SGWORLD as SGWORLD
