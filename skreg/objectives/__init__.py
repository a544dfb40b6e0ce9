"""The problem that is solved, and the certificate that says how far weights are."""
