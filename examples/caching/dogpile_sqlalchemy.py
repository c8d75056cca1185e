"""dogpile.cache with SQLAlchemy on SQLite: one process computes, the others have the old value.

The region is on leases ("redstart.leases" comes with the package). With dogpile's own Redis backend
it is `distributed_lock=True`, a lock key that waiters poll.
"""

import pathlib
import tempfile
import threading
import time

from dogpile.cache import make_region
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from shop import at_once, client, run


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "products"
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[float]


def demonstrate(url):
    r = client(url)
    region = make_region().configure(
        "redstart.leases",
        expiration_time=2,
        arguments={"url": url, "redis_expiration_time": 60},
    )
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{pathlib.Path(folder) / 'shop.sqlite'}")
        show(r, region, engine)
        engine.dispose()


def show(r, region, engine):
    queries = []
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all(Product(number=n, name=f"product {n}", price=n) for n in range(1, 6))
    event.listen(engine, "before_cursor_execute", lambda *call: queries.append(call[2]))

    # Rows leave as plain values: an object of a session does not outlive it.
    @region.cache_on_arguments(namespace="shop")
    def cheaper_than(price):
        time.sleep(0.5)
        with Session(engine) as session:
            rows = session.execute(select(Product.name).where(Product.price < price))
            return [name for (name,) in rows]

    found = at_once(10, lambda: cheaper_than(3))
    assert found == [["product 1", "product 2"]] * 10 and len(queries) == 1
    print("ten readers at once: one query")

    with Session(engine) as session, session.begin():
        session.get(Product, 1).price = 100
    queries.clear()
    time.sleep(2.1)
    renewer = threading.Thread(target=cheaper_than, args=(3,))
    renewer.start()
    time.sleep(0.1)
    assert cheaper_than(3) == ["product 1", "product 2"]
    renewer.join()
    assert cheaper_than(3) == ["product 2"] and len(queries) == 1
    print("after its time one reader asks the database, the others have the old value meanwhile")

    with Session(engine) as session, session.begin():
        session.get(Product, 2).price = 100
    cheaper_than.invalidate(3)
    assert cheaper_than(3) == [] and len(r.keys("*")) == 1
    print("invalidated after the commit: the next reader has the new rows, and no lock key is left")


if __name__ == "__main__":
    run(demonstrate)
