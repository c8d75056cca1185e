'use strict';
// node-redis, in both protocol versions.

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { createClient } = require('redis');
const { startServer } = require('./server.js');

let server;

before(async () => {
  server = await startServer();
});

after(() => server.stop());

async function withClient(options, work) {
  const client = createClient({ socket: { port: server.port, host: '127.0.0.1' }, ...options });
  client.on('error', () => {});
  await client.connect();
  try {
    await work(client);
    await client.flushAll();
  } finally {
    client.destroy();
  }
}

for (const RESP of [2, 3]) {
  test(`values come back as they were, RESP${RESP}`, () =>
    withClient({ RESP, name: 'node' }, async (client) => {
      assert.strictEqual(await client.set('k', 'v', { expiration: { type: 'EX', value: 9 } }), 'OK');
      assert.strictEqual(await client.get('k'), 'v');
      assert.strictEqual(await client.get('missing'), null);
      assert.ok((await client.ttl('k')) > 0);
      assert.strictEqual(await client.incr('n'), 1);
      assert.strictEqual(await client.incrByFloat('n', 0.5), '1.5');
      assert.deepStrictEqual(await client.mGet(['k', 'x']), ['v', null]);
      assert.strictEqual(await client.clientGetName(), 'node');
      assert.deepStrictEqual({ ...(await client.configGet('databases')) }, { databases: '16' });
      assert.match(await client.info('server'), /redis_version:\d+\.\d+\.\d+/);
    }));

  test(`calls of one turn are pipelined, RESP${RESP}`, () =>
    withClient({ RESP }, async (client) => {
      const numbers = Array.from({ length: 1000 }, (_, i) => i);
      await Promise.all(numbers.map((i) => client.set(`k${i}`, `${i}`)));
      const got = await Promise.all(numbers.map((i) => client.get(`k${i}`)));
      assert.deepStrictEqual(got, numbers.map(String));
      const seen = new Set();
      for await (const keys of client.scanIterator({ MATCH: 'k*', COUNT: 100 })) {
        keys.forEach((key) => seen.add(key));
      }
      assert.strictEqual(seen.size, 1000);
    }));

  test(`errors are rejections, RESP${RESP}`, () =>
    withClient({ RESP }, async (client) => {
      await client.set('k', 'text');
      await assert.rejects(client.incr('k'), /ERR value is not an integer or out of range/);
      await assert.rejects(client.sendCommand(['NOSUCH']), /ERR unknown command 'NOSUCH'/);
      assert.strictEqual(await client.ping(), 'PONG');
    }));

  test(`transactions and scripts, RESP${RESP}`, () =>
    withClient({ RESP }, async (client) => {
      const replies = await client.multi().set('k', '1').incr('k').hSet('h', 'f', 'v').exec();
      assert.deepStrictEqual(replies, ['OK', 2, 1]);
      await client.watch('k');
      await client.set('k', 'changed');
      await assert.rejects(client.multi().set('k', 'lost').exec(), /watched keys/);
      const add = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
      assert.strictEqual(await client.eval(add, { keys: ['n'], arguments: ['5'] }), 5);
      const sha = await client.scriptLoad(add);
      assert.strictEqual(await client.evalSha(sha, { keys: ['n'], arguments: ['5'] }), 10);
    }));

  test(`messages come to listeners, RESP${RESP}`, () =>
    withClient({ RESP }, (listener) => withClient({ RESP }, async (speaker) => {
      const heard = new Promise((resolve) => {
        listener.subscribe('news', (message, channel) => resolve([channel, message]));
      });
      while ((await speaker.publish('news', 'hello')) === 0);
      assert.deepStrictEqual(await heard, ['news', 'hello']);
      await listener.unsubscribe('news');
    })));
}

test('a database is selected at connect', () =>
  withClient({ database: 3 }, async (client) => {
    await client.set('k', 'v');
    const info = await client.clientInfo();
    assert.strictEqual(info.db, 3);
  }));
