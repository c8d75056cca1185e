"""dogpile.cache over redis-py: regions, invalidation, the SQLAlchemy recipe, and one creator under
a stampede, by the library's distributed lock."""

import threading
import time

import pytest
from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
from sqlalchemy import create_engine, event, select
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool


@pytest.fixture
def region_of(server, r):
    def make(expiration_time=None, region=None, **arguments):
        return make_region(**(region or {})).configure(
            "dogpile.cache.redis",
            expiration_time=expiration_time,
            arguments={"host": "127.0.0.1", "port": server.port, **arguments},
        )

    return make


def test_set_get_delete_and_many(region_of, r):
    region = region_of(redis_expiration_time=100)
    region.set("k", {"a": [1, 2]})
    assert region.get("k") == {"a": [1, 2]} and 0 < r.ttl("k") <= 100
    assert region.get("none") is NO_VALUE
    region.set_multi({"a": 1, "b": 2})
    assert 0 < r.ttl("b") <= 100
    assert region.get_multi(["a", "none", "b"]) == [1, NO_VALUE, 2]
    region.delete_multi(["a", "b"])
    region.delete("k")
    assert r.dbsize() == 0


def test_a_value_is_made_again_after_its_time(region_of):
    region = region_of(expiration_time=0.3)
    made = []

    def create():
        made.append(len(made))
        return made[-1]

    assert region.get_or_create("k", create) == 0
    assert region.get_or_create("k", create) == 0
    time.sleep(0.35)
    assert region.get_or_create("k", create) == 1
    assert region.get_or_create_multi(["k", "l"], lambda *keys: [7 for _ in keys]) == [1, 7]


def test_decorated_functions(region_of):
    region = region_of()
    calls = []

    @region.cache_on_arguments(namespace="users")
    def user(number):
        calls.append(number)
        return {"number": number}

    @region.cache_multi_on_arguments()
    def squares(*numbers):
        calls.extend(numbers)
        return [number * number for number in numbers]

    assert user(1) == user(1) == {"number": 1}
    user.invalidate(1)
    user(1)
    user.set({"number": "set"}, 1)
    assert user(1) == {"number": "set"} and user.get(1) == {"number": "set"}
    assert user.refresh(1) == {"number": 1}
    assert calls == [1, 1, 1]
    assert squares(2, 3) == [4, 9] and squares(3, 4) == [9, 16]
    assert calls[3:] == [2, 3, 4]


def test_a_region_is_invalidated_hard_and_soft(region_of):
    region = region_of(expiration_time=100)
    region.set("k", "old")
    time.sleep(0.01)
    region.invalidate()
    assert region.get("k") is NO_VALUE
    assert region.get_or_create("k", lambda: "new") == "new"
    time.sleep(0.01)
    region.invalidate(hard=False)
    assert region.get_or_create("k", lambda: "newer") == "newer"


def stampede(regions, seconds_to_create):
    """Calls get_or_create from a thread for each region at once: the values, and who created."""
    start = threading.Barrier(len(regions))
    values, creators, failures = [], [], []

    def work(number, region):
        def create():
            creators.append(number)
            time.sleep(seconds_to_create)
            return f"made by {number}"

        try:
            start.wait()
            values.append(region.get_or_create("popular", create))
        except Exception as error:
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(number, region))
        for number, region in enumerate(regions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    return values, creators


@pytest.mark.needs("EVALSHA")
@pytest.mark.parametrize("round", range(3))
def test_one_of_fifty_threads_creates(region_of, r, round):
    # A region each, as in fifty processes: only the lock on the server keeps them apart.
    regions = [
        region_of(distributed_lock=True, thread_local_lock=False, lock_timeout=20, lock_sleep=0.02)
        for _ in range(50)
    ]
    values, creators = stampede(regions, 0.3)
    assert len(creators) == 1
    assert values == [f"made by {creators[0]}"] * 50
    assert not [key for key in r.keys() if "lock" in key]


def test_one_of_fifty_threads_of_a_process_creates(region_of):
    values, creators = stampede([region_of()] * 50, 0.1)
    assert len(creators) == 1 and len(set(values)) == 1


@pytest.mark.needs("EVALSHA")
def test_stale_values_are_served_while_one_thread_creates(region_of):
    region = region_of(
        expiration_time=0.2, distributed_lock=True, thread_local_lock=False, lock_timeout=20
    )
    region.set("popular", "stale")
    time.sleep(0.25)
    values, creators = stampede([region] * 20, 0.3)
    assert len(creators) == 1
    assert values.count("stale") >= 1 and set(values) <= {"stale", f"made by {creators[0]}"}


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class QueryCache:
    """The idea of SQLAlchemy's dogpile example: a statement that carries a region's name in its
    execution options is answered from that region, with a frozen result under its own key."""

    def __init__(self, regions):
        self.regions = regions

    def install(self, session_class):
        event.listen(session_class, "do_orm_execute", self._execute)

    @staticmethod
    def key(statement):
        compiled = statement.compile()
        return f"{compiled} {sorted(compiled.params.items())}"

    def _execute(self, state):
        region = self.regions.get(state.execution_options.get("cache_region"))
        if region is None or not state.is_select:
            return None

        def create():
            return [dict(row._mapping) for row in state.invoke_statement().freeze()()]

        rows = region.get_or_create(self.key(state.statement), create)
        columns = [column["name"] for column in state.statement.column_descriptions]
        tuples = [tuple(row[column] for column in columns) for row in rows]
        return IteratorResult(SimpleResultMetaData(columns), iter(tuples))


def test_queries_of_sqlalchemy_are_cached(region_of, r):
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    Base.metadata.create_all(engine)
    asked = []
    event.listen(
        engine, "before_cursor_execute", lambda c, cur, text, *rest: asked.append(text)
    )

    class CachedSession(Session):
        pass

    region = region_of(expiration_time=60)
    QueryCache({"people": region}).install(CachedSession)
    with CachedSession(engine) as session:
        session.add_all([Person(number=i, name=f"person {i}") for i in range(1, 26)])
        session.commit()

    def names(least):
        query = select(Person.number, Person.name).where(Person.number >= least)
        with CachedSession(engine) as session:
            found = session.execute(query, execution_options={"cache_region": "people"})
            return [row.name for row in found]

    asked.clear()
    assert names(24) == names(24) == ["person 24", "person 25"]
    assert names(25) == ["person 25"]
    assert len(asked) == 2 and r.dbsize() == 2
    with CachedSession(engine) as session:
        session.get(Person, 25).name = "changed"
        session.commit()
    assert names(25) == ["person 25"]
    region.invalidate()
    assert names(25) == ["changed"]
