"""Programs that train the embedded weights, and what they are trained on."""
