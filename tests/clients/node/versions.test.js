'use strict';
// What clients do where the server says that it is Redis 8.6.3, by which they choose commands: the
// handshake, a lost connection, and nothing said that they would not say to that one.

const assert = require('node:assert');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { RedisConnection } = require('bullmq');
const Redis = require('ioredis');
const { createClient } = require('redis');
const { startServer } = require('./server.js');

const VERSION = '8.6.3';
const isRedstart = path.basename(process.env.REDSTART_BIN).startsWith('redstart');
const skip = isRedstart ? false : 'SKIPPED: about the version that Redstart says';
const said = [];
let server;

before(async () => {
  process.on('warning', (warning) => said.push(`${warning}`));
  console.warn = (...words) => said.push(words.join(' '));
  console.error = console.warn;
  server = await startServer([]);
});

after(async () => {
  await server.stop();
  assert.deepStrictEqual(said, []);
});

// Notes what a client tells those who listen.
function listen(client, heard) {
  for (const event of ['error', 'reconnecting', 'ready', 'end']) {
    client.on(event, (error) => heard.push(error?.message ?? event));
  }
}

for (const options of [{}, { RESP: 2 }, { RESP: 3, maintNotifications: 'auto' }]) {
  test(`node-redis, ${JSON.stringify(options)}`, { skip }, async () => {
    const client = createClient({ socket: { port: server.port, host: '127.0.0.1' }, ...options });
    const heard = [];
    listen(client, heard);
    await client.connect();
    assert.match(await client.info('server'), new RegExp(`redis_version:${VERSION}`));
    assert.deepStrictEqual(heard, ['ready']);
    const killer = new Redis({ port: server.port, host: '127.0.0.1' });
    await killer.client('KILL', 'ID', await client.clientId());
    while (heard.length < 4) await sleep(10);
    assert.deepStrictEqual(heard.slice(1), ['Socket closed unexpectedly', 'reconnecting', 'ready']);
    assert.strictEqual(await client.set('k', 'v'), 'OK');
    killer.disconnect();
    client.destroy();
  });
}

test('maintenance notifications that are wanted are refused as by Redis', { skip }, async () => {
  const client = createClient({
    socket: { port: server.port, host: '127.0.0.1', reconnectStrategy: false },
    RESP: 3,
    maintNotifications: 'enabled',
  });
  client.on('error', () => {});
  await assert.rejects(client.connect(), /unknown subcommand 'MAINT_NOTIFICATIONS'/);
});

test('ioredis', { skip }, async () => {
  const client = new Redis({ port: server.port, host: '127.0.0.1' });
  const heard = [];
  listen(client, heard);
  assert.strictEqual(await client.set('k', 'v'), 'OK');
  const killer = new Redis({ port: server.port, host: '127.0.0.1' });
  await killer.client('KILL', 'ID', await client.client('ID'));
  while (heard.length < 3) await sleep(10);
  assert.deepStrictEqual(heard, ['ready', 'reconnecting', 'ready']);
  killer.disconnect();
  client.disconnect();
});

test('BullMQ takes the version', { skip }, async () => {
  const connection = new RedisConnection({ port: server.port, host: '127.0.0.1' });
  connection.on('error', (error) => said.push(error.message));
  await connection.client;
  assert.strictEqual(connection.redisVersion, VERSION);
  await connection.close();
});
