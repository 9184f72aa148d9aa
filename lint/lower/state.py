"""What every name, attribute and item holds at one point of the abstract run.

Each branch and loop of a script needs a state of its own, and most change little. A state is
therefore a dictionary of what changed last upon frozen layers that it shares with the states it
was forked from: a fork costs nothing, and joining two costs what they changed since they parted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trainlint.lint.lower.values import Frame, Value

# By frame or object, and by name or key.
Key = tuple[object, object]

# Layers under a state; more are made one, so that looking a name up stays cheap.
_DEEPEST = 24
_GONE = Value()


class _Layer:
    """What was changed upon the layer below it; names are looked up downwards.

    `before` is the layer that came before it in time: the one below, or, for a layer that many
    were made into, the topmost of those. Where two states parted is told by it.
    """

    __slots__ = ("age", "before", "below", "depth", "items")

    def __init__(
        self, items: dict[Key, Value], below: _Layer | None, before: _Layer | None
    ) -> None:
        self.items = items
        self.below = below
        self.before = before
        self.depth: int = below.depth + 1 if below is not None else 1
        self.age: int = before.age + 1 if before is not None else 1

    @property
    def merged(self) -> bool:
        """Whether it holds all that the layers before it hold."""
        return self.before is not self.below


class State:
    """A mapping from keys to values that is cheap to fork and to join."""

    __slots__ = ("_below", "_top")

    def __init__(self, below: _Layer | None = None) -> None:
        self._top: dict[Key, Value] = {}
        self._below = below

    def get(self, key: Key) -> Value | None:
        """The value of a key, or None."""
        value = self._top.get(key)
        layer = self._below
        while value is None and layer is not None:
            value = layer.items.get(key)
            layer = layer.below
        return None if value is _GONE else value

    def __contains__(self, key: Key) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: Key, value: Value) -> None:
        self._top[key] = value

    def update(self, values: Mapping[Key, Value]) -> None:
        """Set several."""
        self._top.update(values)

    def remove(self, key: Key) -> None:
        """Forget a key, if it is there."""
        self._top[key] = _GONE

    def fork(self) -> State:
        """A second state that holds the same; neither sees what the other changes from now on."""
        return State(self.mark())

    def mark(self) -> _Layer | None:
        """A point from which changes can be told: everything until now, frozen."""
        if self._top:
            self._below = _Layer(self._top, self._below, self._below)
            self._top = {}
            if self._below.depth > _DEEPEST:
                self._below = _Layer(_living(self.since(None)), None, self._below)
        return self._below

    def since(self, mark: _Layer | None) -> dict[Key, Value]:
        """What was changed after a mark; what was removed is there as such, for `joined` only."""
        layers = [self._top]
        layer = self._below
        while layer is not mark and layer is not None:
            if mark is None or not layer.merged:
                layers.append(layer.items)
            layer = layer.below if mark is None else layer.before
        changes: dict[Key, Value] = {}
        for items in reversed(layers):
            changes.update(items)
        return changes

    def take(self, owner: Frame, mark: _Layer | None) -> dict[str, Value]:
        """The variables that a frame got after a mark, taken out of the state."""
        taken = {}
        for key, value in self.since(mark).items():
            if key[0] is owner:
                self.remove(key)
                if value is not _GONE:
                    taken[str(key[1])] = value
        return taken

    def close(self, frame: Frame) -> None:
        """Forget the variables of a function that has returned."""
        frame.closed = True
        self._top = {key: value for key, value in self._top.items() if key[0] is not frame}


def joined(left: State, right: State, merge: Callable[[Value, Value], Value]) -> State:
    """The state after two paths meet; `merge` says what a key holds that differs in the two."""
    mark = _parting(left, right)
    one, two = left.since(mark), right.since(mark)
    result = State(mark)
    for key in {**one, **two}:  # in one order, whatever the keys' hashes
        old, new = _value(key, one, left), _value(key, two, right)
        if old is None or new is None:
            result[key] = old or new or _GONE
        else:
            result[key] = old if old is new else merge(old, new)
    return result


def _value(key: Key, changes: dict[Key, Value], state: State) -> Value | None:
    value = changes.get(key)
    if value is None:
        return state.get(key)
    return None if value is _GONE else value


def _parting(left: State, right: State) -> _Layer | None:
    """The last layer that two states share."""
    one, two = left._below, right._below
    while one is not two:
        if two is None or (one is not None and one.age >= two.age):
            assert one is not None
            one = one.before
        else:
            two = two.before
    return one


def _living(items: dict[Key, Value]) -> dict[Key, Value]:
    """Without what was removed, and the variables of functions that have returned."""
    return {
        key: value
        for key, value in items.items()
        if value is not _GONE and not (isinstance(key[0], Frame) and key[0].closed)
    }
