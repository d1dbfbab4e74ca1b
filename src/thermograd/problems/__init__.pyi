# Made by `make reference` from the files of this folder.
from .cifar10 import CIFAR10 as CIFAR10
from .cifar10_convolutional import CIFAR10Convolutional as CIFAR10Convolutional
from .digits import Digits as Digits
from .digits_linear import DigitsLinear as DigitsLinear
from .gaussian_mixture import GaussianMixture as GaussianMixture
from .lennard_jones import LennardJones as LennardJones
from .linear_regression import LinearRegression as LinearRegression
from .mnist import MNIST as MNIST
from .mnist_linear import MnistLinear as MnistLinear
from .mnist_tanh import MnistTanh as MnistTanh
from .nonlinear_regression import NonlinearRegression as NonlinearRegression
from .phase_retrieval import PhaseRetrieval as PhaseRetrieval
from .problem import Problem as Problem
from .quadratic import Quadratic as Quadratic
