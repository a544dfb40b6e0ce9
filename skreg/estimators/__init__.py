"""The side of scikit-learn: parameters, validation, labels and predictions."""
