from typing import Any

from optimizer.search import Found, SearchProblem, SearchSettings

class Stages:
    def __init__(self, ready: dict[str, Any], n_lanes: int) -> None: ...

def search(stages: Stages, problem: SearchProblem, settings: SearchSettings) -> Found | None: ...
