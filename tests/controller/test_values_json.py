from dataclasses import dataclass

from controller import values_json


@dataclass(frozen=True)
class Leaf:
    number: int


@dataclass(frozen=True)
class Tree:
    leaves: tuple[Leaf, ...]


def test_the_types_of_a_class_are_looked_up_once(monkeypatch):
    looked_up = []

    def look(kind):
        looked_up.append(kind)
        return {"number": int} if kind is Leaf else {"leaves": tuple[Leaf, ...]}

    monkeypatch.setattr(values_json, "get_type_hints", look)
    for _ in range(2):
        tree = values_json.decode(Tree, {"leaves": [{"number": k} for k in range(50)]}, "tree")
    assert tree.leaves[49] == Leaf(49)
    assert looked_up == [Tree, Leaf]
