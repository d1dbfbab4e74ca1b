import numpy as np

from thermograd.quantities import Advice, Estimate, Prediction, Verdict


def test_html_escapes_and_draws_curves():
    curve = np.array([1.0, 0.5, 0.2])
    estimate = Estimate(curve, (curve - 0.1, curve + 0.1), note="<script>alert(1)</script>")
    shown = estimate._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<polyline" in shown
    assert "<polyline" not in Estimate(1.0, (0.5, 1.5))._repr_html_()
    assert "<polyline" in Prediction(curve, (curve, curve), at=np.arange(3))._repr_html_()


def test_a_curve_with_infinities_is_drawn_where_it_is_finite():
    curve = np.array([np.inf, 3.0, 2.0, 1.0])
    shown = Prediction(curve, (curve, curve), at=np.arange(4))._repr_html_()
    assert "nan" not in shown.partition("<svg")[2]
    assert "inf" not in shown.partition("<svg")[2]


def test_advice_has_a_line_for_each_thing():
    advice = Advice("Restart.", ("reset", "nothing"), (Verdict(True, "kind", "It holds."),), ("n = 7",))
    assert str(advice).splitlines() == [
        "Restart.",
        "  1. reset",
        "  2. nothing",
        "  yes: It holds.",
        "  caveat: n = 7",
    ]
    assert advice._repr_html_().startswith("<p><b>Restart.</b><br>1. reset")


def test_one_line_for_scalars_and_curves():
    assert str(Estimate(2.0, (1.0, 3.0), unit="epoch", pieces=5)) == "2 (1 to 3 at 95 %) epoch, from 5 pieces"
    assert str(Verdict(None, "kind", "Wait.")) == "undecided: Wait."
    assert "curve of 9 points" in str(Estimate(np.ones(9), (np.zeros(9), np.ones(9))))
