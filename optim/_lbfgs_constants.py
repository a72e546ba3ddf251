"""The numbers of limited-memory BFGS, of one problem and of many."""

DECREASE = 1e-4  # required part of the decrease that the slope predicts
FLATTER = 0.9  # the slope at the new point, at most this part of the old one
HIDDEN = 0.8  # and at least minus this part, where the rounding of f hides the decrease
FLOOR = 1e-4  # of the largest root mean square of the gradient, added to all
STEEPNESS = 1.5  # the power of these roots to which curvatures are taken to be proportional
KEPT = 0.9  # of the sum of squares at each further point
UNSEEN = 10  # trials at most where the rounding of f hides what a step could gain
INNER_STEPS = 25  # of the model, which are cheap beside an evaluation
INNER_ACCURACY = 0.05  # to which part of the projected gradient the model is solved
INNER_MEMORY = 10  # values of the model, of which the highest is not exceeded
