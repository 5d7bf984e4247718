"""Where segments lie: against a plain list of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.context.places import Place, Places


def place(tokens: int) -> Place:
    return Place(tokens, 1, "\n")


@given(st.data())
def test_they_are_what_a_list_of_them_is(data: st.DataObject) -> None:
    places, plain, read = Places(), list[tuple[int, Place]](), 0
    assert places.behind == 0
    for number in range(0, 60, 10):
        places.append(number, own := place(data.draw(st.integers(1, 9))))
        plain.append((number, own))
    places.read = read = data.draw(st.integers(0, len(plain)))
    for _ in range(data.draw(st.integers(0, 8))):
        own, index = place(data.draw(st.integers(1, 9))), data.draw(st.integers(0, 9))
        match data.draw(st.sampled_from(["append", "insert", "put", "remove", "read", "unread"])):
            case "append":
                number = max([number for number, _ in plain], default=0) + 1
                places.append(number, own)
                plain.append((number, own))
            case "insert" if index <= read:
                follower = plain[index][0] if index < len(plain) else max([one for one, _ in plain], default=0) + 2
                number = follower - data.draw(st.integers(0, 1)) if index < read else follower - 1
                known = [known for known, _ in plain]
                places.insert(number, own)
                if number in known:
                    plain[known.index(number)] = number, own
                else:
                    plain.insert(index, (number, own))
                    read += 1
            case "put" if index < len(plain):
                places.put(index, own)
                plain[index] = plain[index][0], own
            case "remove" if index < len(plain):
                stop = data.draw(st.integers(index, len(plain)))
                places.remove(index, stop)
                del plain[index:stop]
                read -= len(range(index, min(stop, read)))
            case "read":
                places.read = read = min(index, len(plain))
            case "unread":
                places.unread()
                read = 0
    tokens = [own.tokens for _, own in plain]
    assert places.ids == tuple(number for number, _ in plain) and places.tokens == tuple(tokens)
    assert [places[index] for index in range(len(places))] == [own for _, own in plain]
    assert (places.read, places.total) == (read, sum(tokens))
    assert [places.before(index) for index in range(len(plain) + 1)] == [sum(tokens[:i]) for i in range(len(plain) + 1)]
    wanted = {number: own.tokens for number, own in plain}
    assert all(places.tokens_of(number) == wanted.get(number, 0) for number in range(-1, 90))
    places.partial = data.draw(st.integers(0, 1)) if read < len(plain) else 0
    assert places.behind == sum(tokens[read:]) - places.partial
    most = data.draw(st.integers(0, 40))
    newest = places.newest(most)
    assert newest.stop == len(plain) and newest.start >= read + places.partial
    assert sum(tokens[newest.start :]) <= most
    assert newest.start == read + places.partial or sum(tokens[newest.start - 1 :]) > most


def test_runs_are_of_neighbours_and_pass_over_what_is_unknown() -> None:
    places = Places()
    for number in (2, 4, 6, 8, 10):
        places.append(number, place(1))
    assert places.runs([10, 4, 2, 5, 12, 1]) == [(0, 2), (4, 5)]
    assert places.runs([]) == places.runs([3]) == []
    assert places.runs([8, 6, 4]) == [(1, 4)]


def test_what_is_put_back_stands_where_its_id_says_and_counts_as_read() -> None:
    places = Places()
    for number in (2, 6):
        places.append(number, place(number))
    places.read = 1
    places.insert(4, place(4))
    assert (places.ids, places.read, places.total) == ((2, 4, 6), 2, 12)
    places.insert(4, place(5))  # another place for the same
    assert (places.tokens, places.read, places.total) == ((2, 5, 6), 2, 13)
    places.read = 3
    places.insert(9, place(1))
    assert (places.ids, places.read, places[3]) == ((2, 4, 6, 9), 4, place(1))
