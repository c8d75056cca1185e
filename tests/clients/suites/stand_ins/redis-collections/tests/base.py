"""A client of an empty database for each test; the source distribution lacks the file."""

import unittest

import redis


class RedisTestCase(unittest.TestCase):
    def setUp(self):
        self.redis = redis.Redis()
        self.redis.flushall()

    def tearDown(self):
        self.redis.close()
