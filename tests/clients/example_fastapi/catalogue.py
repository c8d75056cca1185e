"""The slow thing that is worth a cache: articles in SQLite, with counts of what it was asked."""

import sqlite3
import threading


class Catalogue:
    def __init__(self):
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(
            "CREATE TABLE articles (number INTEGER PRIMARY KEY, title TEXT, views INTEGER)"
        )
        self._lock = threading.Lock()
        self.reads = self.writes = 0

    def article(self, number):
        """The article as a dictionary, or None."""
        with self._lock:
            self.reads += 1
            row = self._database.execute(
                "SELECT number, title, views FROM articles WHERE number = ?", (number,)
            ).fetchone()
        return row and dict(zip(("number", "title", "views"), row))

    def put(self, number, title):
        with self._lock, self._database:
            self.writes += 1
            self._database.execute(
                "INSERT INTO articles VALUES (?, ?, 0)"
                " ON CONFLICT (number) DO UPDATE SET title = excluded.title",
                (number, title),
            )

    def add_views(self, views):
        """Adds counts of views, {number: views}, in one transaction."""
        with self._lock, self._database:
            self.writes += 1
            self._database.executemany(
                "UPDATE articles SET views = views + ? WHERE number = ?",
                [(count, number) for number, count in views.items()],
            )

    def most_viewed(self):
        with self._lock:
            self.reads += 1
            rows = self._database.execute(
                "SELECT title FROM articles ORDER BY views DESC, number LIMIT 3"
            ).fetchall()
        return [title for (title,) in rows]
