"""Every loop over rows, compiled; no policy and no state."""
