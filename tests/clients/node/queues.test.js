'use strict';
// Queues and limits on top of ioredis and node-redis, whose scripts keep jobs in lists, sets and
// sorted sets: Bull, Bee-Queue, node-resque, rate-limiter-flexible; and every script of BullMQ is
// compiled. What BullMQ does with them is in bullmq.test.js.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, beforeEach, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const BeeQueue = require('bee-queue');
const Bull = require('bull');
const Redis = require('ioredis');
const { RateLimiterRedis, RateLimiterQueue } = require('rate-limiter-flexible');
const { Queue: ResqueQueue, Worker: ResqueWorker } = require('node-resque');
const { startServer } = require('./server.js');
const { until: within } = require('./until.js');

let server;
let client;

before(async () => {
  server = await startServer();
  client = new Redis({ host: '127.0.0.1', port: server.port });
});

beforeEach(() => client.flushall());

after(async () => {
  client.disconnect();
  await server.stop();
});

function bull(name, options = {}) {
  return new Bull(name, { redis: { host: '127.0.0.1', port: server.port }, ...options });
}

const until = (holds) => within(holds, 1000);

test('Bull: jobs run by priority, and fail, and are tried again', async () => {
  const queue = bull('mail');
  const order = [];
  for (const [name, priority] of [['low', 9], ['high', 1], ['middle', 5]]) {
    await queue.add({ name }, { priority });
  }
  const flaky = await queue.add({ name: 'flaky' }, { priority: 10, attempts: 3 });
  const lost = await queue.add({ name: 'lost' }, { priority: 10 });
  queue.process(async (job) => {
    order.push(job.data.name);
    if (job.data.name === 'lost') throw new Error('no such thing');
    if (job.data.name === 'flaky' && job.attemptsMade < 2) throw new Error('not yet');
    return job.data.name.length;
  });
  assert.strictEqual(await flaky.finished(), 5);
  await assert.rejects(lost.finished(), /no such thing/);
  assert.deepStrictEqual(order.slice(0, 3), ['high', 'middle', 'low']);
  assert.strictEqual(order.filter((name) => name === 'flaky').length, 3);
  assert.deepStrictEqual(await queue.getJobCounts(), {
    waiting: 0, active: 0, completed: 4, failed: 1, delayed: 0, paused: 0,
  });
  await queue.close();
});

test('Bull: delayed jobs wait, a limiter holds jobs back, a paused queue stands still', async () => {
  const queue = bull('slow', { limiter: { max: 2, duration: 500 } });
  const began = Date.now();
  const jobs = [];
  for (let number = 0; number < 5; number += 1) jobs.push(await queue.add({ number }));
  jobs.push(await queue.add({ number: 5 }, { delay: 300 }));
  const ran = [];
  queue.process(async (job) => ran.push([job.data.number, Date.now() - began]));
  await Promise.all(jobs.map((job) => job.finished()));
  assert.ok(Date.now() - began >= 900, `six jobs, two in half a second: ${Date.now() - began} ms`);
  assert.ok(ran.find(([number]) => number === 5)[1] >= 300);
  await queue.pause();
  await queue.add({ number: 6 });
  assert.strictEqual((await queue.getJobCounts()).paused, 1);
  await queue.obliterate({ force: true });
  assert.deepStrictEqual(await client.keys('bull:slow:[^l]*'), []);
  await queue.close();
});

test('Bull: a job is repeated, and is given to another worker where one died', async () => {
  const queue = bull('again', { settings: { stalledInterval: 200, lockDuration: 200 } });
  await queue.add('tick', {}, { repeat: { every: 100, limit: 3 } });
  let ticks = 0;
  queue.process('tick', async () => { ticks += 1; });
  queue.process('dead', async () => 'done');
  await until(() => ticks >= 3);
  // A job that is at work, and whose lock nobody holds: its worker is gone.
  const job = await queue.add('dead', {}, { delay: 60000 });
  await client.multi().zrem('bull:again:delayed', job.id).lpush('bull:again:active', job.id).exec();
  assert.strictEqual(await job.finished(), 'done');
  await queue.close();
});

test('Bee-Queue: jobs run, wait, fail and report', async () => {
  const queue = new BeeQueue('bees', {
    redis: { host: '127.0.0.1', port: server.port }, activateDelayedJobs: true,
  });
  queue.process(4, async (job) => {
    if (job.data.fail) throw new Error('no such thing');
    job.reportProgress(50);
    return job.data.x + 1;
  });
  const progress = [];
  const results = [];
  for (let x = 0; x < 20; x += 1) {
    const job = queue.createJob({ x });
    results.push(new Promise((resolve) => { job.on('succeeded', resolve); }));
    job.on('progress', (value) => progress.push(value));
    await job.save();
  }
  assert.deepStrictEqual(await Promise.all(results), Array.from({ length: 20 }, (_, x) => x + 1));
  assert.ok(progress.includes(50));
  const failed = await queue.createJob({ fail: true }).retries(1).save();
  await new Promise((resolve) => { failed.on('failed', resolve); });
  const began = Date.now();
  const late = await queue.createJob({ x: 1 }).delayUntil(Date.now() + 300).save();
  await new Promise((resolve) => { late.on('succeeded', resolve); });
  assert.ok(Date.now() - began >= 290);
  await until(async () => (await queue.checkHealth()).active === 0);
  const health = await queue.checkHealth();
  assert.deepStrictEqual([health.succeeded, health.failed, health.waiting], [21, 1, 0]);
  await queue.close();
});

test('node-resque: jobs of a queue, and of a later time', async () => {
  const connection = { host: '127.0.0.1', port: server.port, database: 0, pkg: 'ioredis' };
  const jobs = { add: { perform: async (a, b) => a + b } };
  const queue = new ResqueQueue({ connection }, jobs);
  await queue.connect();
  const worker = new ResqueWorker({ connection, queues: ['math'], timeout: 20 }, jobs);
  await worker.connect();
  const results = [];
  worker.on('success', (name, job, result) => results.push(result));
  await queue.enqueue('math', 'add', [1, 2]);
  await queue.enqueue('math', 'add', [3, 4]);
  await queue.enqueueIn(60000, 'math', 'add', [5, 6]);
  assert.deepStrictEqual(await queue.queues(), ['math']);
  assert.strictEqual(Object.keys(await queue.allDelayed()).length, 1);
  assert.strictEqual(await queue.delDelayed('math', 'add', [5, 6]).then((list) => list.length), 1);
  worker.start();
  await until(() => results.length === 2);
  assert.deepStrictEqual(results, [3, 7]);
  assert.ok(Object.keys(await queue.workers()).length === 1);
  await worker.end();
  assert.deepStrictEqual(await queue.workers(), {});
  await queue.end();
});

test('rate-limiter-flexible: points, blocks and a queue', async () => {
  const limiter = new RateLimiterRedis({
    storeClient: client, points: 3, duration: 2, blockDuration: 3,
  });
  for (let left = 2; left >= 0; left -= 1) {
    assert.strictEqual((await limiter.consume('ann')).remainingPoints, left);
  }
  const refused = await limiter.consume('ann').then(() => null, (reason) => reason);
  assert.ok(refused.msBeforeNext > 2000 && refused.msBeforeNext <= 3000);
  await limiter.delete('ann');
  await limiter.penalty('ann', 1);
  assert.strictEqual((await limiter.get('ann')).remainingPoints, 2);
  const paced = new RateLimiterQueue(new RateLimiterRedis({
    storeClient: client, keyPrefix: 'paced', points: 2, duration: 1,
  }));
  const began = Date.now();
  await Promise.all([1, 2, 3].map(() => paced.removeTokens(1, 'job')));
  assert.ok(Date.now() - began < 2000);
});

function* files(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* files(file);
    else yield file;
  }
}

test('BullMQ: every script compiles', async () => {
  const scripts = path.join(path.dirname(require.resolve('bullmq')), 'scripts');
  let count = 0;
  for (const file of files(scripts)) {
    if (!file.endsWith('.js')) continue;
    for (const script of Object.values(require(file))) {
      if (!script || !script.content) continue;
      assert.match(await client.script('LOAD', script.content), /^[0-9a-f]{40}$/);
      count += 1;
    }
  }
  assert.ok(count > 40, `${count} scripts`);
});
