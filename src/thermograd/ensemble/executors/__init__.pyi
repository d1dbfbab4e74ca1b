# Made by `make reference` from the files of this folder.
from .dask import Dask as Dask
from .dask_blocks import DaskBlocks as DaskBlocks
from .dask_client import DaskClient as DaskClient
from .given import Given as Given
from .inline import Inline as Inline
from .process import Process as Process
from .submitit import Submitit as Submitit
from .submitit_blocks import SubmititBlocks as SubmititBlocks
