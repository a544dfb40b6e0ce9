"""Plain steps: stochastic gradient descent and AdaGrad."""
