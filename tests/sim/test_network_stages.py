from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from controller.intersection import bits, conflict_masks
from controller.plan import CYCLE_MAX_MS
from sim.network.shipped_plan import fitted_splits_ms
from sim.network.stages import _bron_kerbosch, safe_parts


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 7))
    pairs = list(combinations(range(n), 2))
    return n, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []


@given(graphs())
def test_maximal_cliques_are_all_of_them_and_nothing_else(graph):
    n, edges = graph
    neighbours = conflict_masks(n, edges)

    def is_clique(mask):
        return all(neighbours[u] & mask == mask & ~(1 << u) for u in bits(mask))

    cliques = [mask for mask in range(1, 1 << n) if is_clique(mask)]
    maximal = {m for m in cliques if not any(m != o and m & o == m for o in cliques)}
    found = list(_bron_kerbosch(neighbours))
    assert len(found) == len(set(found))
    assert set(found) == maximal


@given(graphs(), st.data())
def test_parts_of_an_unsafe_stage_are_free_of_conflicts_and_cover_it(graph, data):
    n, edges = graph
    conflicts = conflict_masks(n, edges)
    mask = data.draw(st.integers(1, (1 << n) - 1))
    parts = safe_parts(mask, conflicts)
    covered = 0
    for part in parts:
        assert not any(conflicts[g] & part for g in bits(part))
        covered |= part
    assert covered == mask


times = st.integers(1, 300_000)


@given(st.lists(st.tuples(times, times), min_size=1, max_size=8))
def test_fitted_splits_keep_minimums_and_the_cycle_where_there_is_room(pairs):
    wanted, minimums = [w for w, _ in pairs], [least for _, least in pairs]
    splits = fitted_splits_ms(wanted, minimums)
    assert all(split >= least for split, least in zip(splits, minimums, strict=True))
    assert sum(splits) == max(sum(minimums), min(sum(wanted), CYCLE_MAX_MS))
    if all(w >= least for w, least in pairs) and sum(wanted) <= CYCLE_MAX_MS:
        assert splits == wanted
