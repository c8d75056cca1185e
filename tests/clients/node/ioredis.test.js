'use strict';
// ioredis, whose connection is ready once INFO says that nothing is loading.

const assert = require('node:assert');
const { after, afterEach, before, test } = require('node:test');
const Redis = require('ioredis');
const { startServer } = require('./server.js');

let server;
const opened = [];

function connect(options = {}) {
  const client = new Redis({ port: server.port, host: '127.0.0.1', ...options });
  opened.push(client);
  return client;
}

before(async () => {
  server = await startServer();
});

afterEach(async () => {
  await connect().flushall();
  opened.splice(0).forEach((client) => client.disconnect());
});

after(() => server.stop());

test('the ready check passes and the name is set', async () => {
  const redis = connect({ connectionName: 'io', enableReadyCheck: true, db: 2 });
  await new Promise((resolve, reject) => {
    redis.once('ready', resolve);
    redis.once('error', reject);
  });
  assert.strictEqual(await redis.client('GETNAME'), 'io');
  const list = await redis.client('LIST');
  assert.match(list, /name=io .*db=2 /);
});

test('values come back as they were', async () => {
  const redis = connect();
  assert.strictEqual(await redis.set('k', 'v', 'EX', 100), 'OK');
  assert.strictEqual(await redis.get('k'), 'v');
  assert.strictEqual(await redis.get('missing'), null);
  assert.ok((await redis.ttl('k')) > 0);
  assert.strictEqual(await redis.set('k', 'w', 'PX', 1000, 'NX'), null);
  assert.deepStrictEqual(await redis.mget('k', 'x'), ['v', null]);
  const bytes = Buffer.from([0, 255, 13, 10]);
  await redis.set(bytes, bytes);
  assert.deepStrictEqual(await redis.getBuffer(bytes), bytes);
  assert.strictEqual(await redis.incrby('n', 41), 41);
  assert.strictEqual(await redis.del('n', 'k'), 2);
});

test('pipelines and automatic pipelining keep their order', async () => {
  const redis = connect({ enableAutoPipelining: true });
  const pipeline = redis.pipeline();
  for (let i = 0; i < 1000; i += 1) {
    pipeline.set(`k${i}`, i).get(`k${i}`);
  }
  const replies = await pipeline.exec();
  replies.forEach(([error, reply], i) => {
    assert.strictEqual(error, null);
    assert.strictEqual(reply, i % 2 ? `${(i - 1) / 2}` : 'OK');
  });
  const numbers = Array.from({ length: 200 }, (_, i) => i);
  const got = await Promise.all(numbers.map((i) => redis.get(`k${i}`)));
  assert.deepStrictEqual(got, numbers.map(String));
});

test('errors are rejections, and the connection lives on', async () => {
  const redis = connect();
  await redis.set('k', 'text');
  await assert.rejects(redis.incr('k'), /ERR value is not an integer or out of range/);
  await assert.rejects(redis.call('NOSUCH', 'a'), /ERR unknown command 'NOSUCH'/);
  await assert.rejects(redis.call('CLIENT', 'NOSUCH'), /ERR unknown subcommand 'NOSUCH'/);
  assert.strictEqual(await redis.ping(), 'PONG');
});

test('a scan stream sees every key', async () => {
  const redis = connect();
  const pipeline = redis.pipeline();
  for (let i = 0; i < 3000; i += 1) {
    pipeline.set(`key:${i}`, i);
  }
  await pipeline.exec();
  const seen = new Set();
  for await (const keys of redis.scanStream({ match: 'key:*', count: 100 })) {
    keys.forEach((key) => seen.add(key));
  }
  assert.strictEqual(seen.size, 3000);
});

test('a killed connection is made again, with its database', async () => {
  const redis = connect({ db: 5, retryStrategy: () => 10 });
  await redis.set('k', 'v');
  const id = await redis.client('ID');
  assert.strictEqual(await connect().client('KILL', 'ID', id), 1);
  assert.strictEqual(await redis.get('k'), 'v');
});

test('transactions, and a watched key that changes', async () => {
  const [redis, other] = [connect(), connect()];
  const replies = await redis.multi().set('k', 1).incr('k').rpush('l', 'a', 'b').exec();
  assert.deepStrictEqual(replies, [[null, 'OK'], [null, 2], [null, 2]]);
  await redis.watch('k');
  await other.set('k', 99);
  assert.strictEqual(await redis.multi().incr('k').exec(), null);
  assert.strictEqual(await redis.get('k'), '99');
});

test('hashes, lists and waiting for an element', async () => {
  const [redis, waiting] = [connect(), connect()];
  await redis.hset('h', { a: 1, b: 'two' });
  assert.deepStrictEqual(await redis.hgetall('h'), { a: '1', b: 'two' });
  const taken = waiting.blpop('queue', 10);
  await redis.rpush('queue', 'job');
  assert.deepStrictEqual(await taken, ['queue', 'job']);
});

test('scripts become commands', async () => {
  const redis = connect();
  const lua = "return {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2]}";
  redis.defineCommand('add', { numberOfKeys: 1, lua });
  assert.deepStrictEqual(await redis.add('n', 41, 'said'), [41, 'said']);
  await redis.script('FLUSH');
  assert.deepStrictEqual(await redis.add('n', 1, 'again'), [42, 'again']);
});

test('messages come to channels and patterns', async () => {
  const [listener, speaker] = [connect(), connect()];
  const heard = [];
  const both = new Promise((resolve) => {
    const note = (...said) => heard.push(said) === 2 && resolve();
    listener.on('message', note);
    listener.on('pmessage', note);
  });
  await listener.subscribe('news');
  await listener.psubscribe('sport.*');
  assert.strictEqual(await speaker.publish('news', 'hello'), 1);
  assert.strictEqual(await speaker.publish('sport.chess', 'e4'), 1);
  await both;
  assert.deepStrictEqual(heard, [['news', 'hello'], ['sport.*', 'sport.chess', 'e4']]);
});
