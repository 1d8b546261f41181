"""Whether any greens at all could serve the demand: a bound that no plan can beat.

With greens as parts *g* of the time, lane *k* gets ``sum_s g_s rate_sk``; the best that greens can
do is the value of a game in which one side picks the stage and the other the lane. Every mixture of
lanes bounds it from one side, whatever the greens; multiplicative weights find a good mixture
(Freund and Schapire 1999).
"""

from __future__ import annotations

import numpy as np

from optimizer.delay import Floats

ROUNDS = 150
LEAST_VEH_PER_S = 0.003
"""Lanes with less traffic do not fill a junction."""


REVIEW_ROUNDS = 5
"""The greens that the rounds so far amount to are tried once in so many."""


def least_saturation(
    demand_veh_per_s: Floats, rate_veh_per_s: Floats, enough: float = 0.0
) -> float:
    """No greens bring the fullest lane below this degree of saturation.

    *demand_veh_per_s*: (lanes,). *rate_veh_per_s*: (stages, lanes), 0 where a lane is red. Changes
    between the stages cost nothing here. Infinite if a lane with demand is served by no stage.

    Whoever only asks whether the answer is below *enough* has it sooner: once greens are found that
    keep every lane below that, what has been reached so far is the answer.
    """
    used = demand_veh_per_s > LEAST_VEH_PER_S
    if not used.any():
        return 0.0
    served = rate_veh_per_s[:, used] / demand_veh_per_s[used]
    best = served.max(axis=0)
    if (best <= 0.0).any():
        return float("inf")
    game = served / best
    weight = 1.0 / best
    weight /= weight.sum()
    step = np.sqrt(np.log(len(best) + 1.0) / ROUNDS)
    losses = np.exp(-step * game)
    least = np.inf
    greens = np.zeros(len(served))
    for played in range(1, ROUNDS + 1):
        value = served @ weight
        stage = int(value.argmax())
        least = min(least, float(value[stage]))
        greens[stage] += 1.0
        if enough and played % REVIEW_ROUNDS == 0 and (greens @ served).min() * enough > played:
            break
        weight = weight * losses[stage]
        weight /= weight.sum()
    return 1.0 / least
