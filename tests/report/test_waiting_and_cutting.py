from __future__ import annotations

import pytest

from thermograd.report.waiting_and_cutting import waiting_and_cutting
from thermograd.report.watched_training import WatchedTraining


@pytest.mark.parametrize(
    ("cutting", "said"), [(0.07, "cutting pays"), (0.03, "waiting pays"), (0.055, "cannot be told apart")]
)
def test_prices_say_which_is_larger(cutting, said, losses):
    (figure,) = waiting_and_cutting(WatchedTraining([entry | {"cutting": cutting} for entry in losses]))
    assert said in figure.conclusion
    assert "0.05 [0.04, 0.06]" in figure.conclusion
    assert "yaxis3" in figure.layout


def test_without_prices_the_loss_stands_alone(losses):
    (figure,) = waiting_and_cutting(WatchedTraining([entry | {"waiting": None} for entry in losses]))
    assert "yaxis3" not in figure.layout
    assert figure.conclusion == "Training loss 1.3 at step 70."
