"""Parameters to `Prediction` (numpy and scipy; never torch, never `estimators`)."""
