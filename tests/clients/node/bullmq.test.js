'use strict';
// BullMQ with real queues, workers, events, flows and schedulers: jobs lie in lists, sorted sets and
// hashes, what becomes of them is told in streams, and every step is a script.

const assert = require('node:assert');
const { after, before, beforeEach, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const {
  FlowProducer, Queue, QueueEvents, QueueEventsProducer, UnrecoverableError, Worker,
} = require('bullmq');
const Redis = require('ioredis');
const { startServer } = require('./server.js');
const { until: within } = require('./until.js');

let server;
let client;
let open;

before(async () => {
  server = await startServer();
  client = new Redis({ host: '127.0.0.1', port: server.port });
});

beforeEach(async () => {
  await client.flushall();
  open = [];
});

after(async () => {
  client.disconnect();
  await server.stop();
});

// A test of this name that closes what it has opened.
function scenario(name, body) {
  test(name, async () => {
    try {
      await body();
    } finally {
      await Promise.all(open.reverse().map((part) => part.close()));
    }
  });
}

function made(part) {
  part.on('error', (error) => assert.fail(error));
  open.push(part);
  return part;
}

const connection = () => ({ host: '127.0.0.1', port: server.port, maxRetriesPerRequest: null });
const queue = (name, options = {}) => made(new Queue(name, { connection: connection(), ...options }));
const worker = (name, body, options = {}) => made(
  new Worker(name, body, { connection: connection(), drainDelay: 1, ...options }),
);

// Those that were told before it reads, too.
async function events(name) {
  const found = made(new QueueEvents(name, { connection: connection(), lastEventId: '0' }));
  await found.waitUntilReady();
  return found;
}

const until = (holds) => within(holds, 1500);

scenario('jobs run, and their events are told', async () => {
  const mail = queue('mail');
  const told = await events('mail');
  const seen = [];
  for (const event of ['added', 'waiting', 'active', 'progress', 'completed']) {
    told.on(event, ({ jobId }) => seen.push(`${event} ${jobId}`));
  }
  const drained = new Promise((resolve) => { told.on('drained', resolve); });
  const job = await mail.add('letter', { to: 'ann' }, { jobId: 'first' });
  assert.strictEqual(await job.getState(), 'waiting');
  worker('mail', async (letter) => {
    await letter.updateProgress(50);
    await letter.log('sealed');
    return { sent: letter.data.to };
  });
  assert.deepStrictEqual(await job.waitUntilFinished(told), { sent: 'ann' });
  await drained;
  await until(() => seen.length === 5);
  assert.deepStrictEqual(seen, [
    'added first', 'waiting first', 'active first', 'progress first', 'completed first',
  ]);
  const after = await mail.getJob('first');
  assert.deepStrictEqual([after.progress, after.returnvalue, after.attemptsMade], [50, { sent: 'ann' }, 1]);
  assert.deepStrictEqual(await mail.getJobLogs('first'), { logs: ['sealed'], count: 1 });
  assert.ok((await client.xlen('bull:mail:events')) >= 6);
});

scenario('500 jobs of four workers run once each', async () => {
  const mail = queue('mail');
  const runs = new Map();
  const body = async (job) => runs.set(job.data, (runs.get(job.data) || 0) + 1);
  for (let n = 0; n < 4; n += 1) worker('mail', body, { concurrency: 5 });
  const jobs = Array.from({ length: 500 }, (_, data) => ({ name: 'job', data }));
  await mail.addBulk(jobs);
  await until(async () => (await mail.getCompletedCount()) === 500);
  assert.deepStrictEqual([runs.size, Math.max(...runs.values())], [500, 1]);
  assert.strictEqual(await mail.getWorkersCount(), 4);
});

scenario('priorities, the last first, and later times', async () => {
  const mail = queue('mail');
  await mail.add('low', {}, { priority: 9 });
  await mail.add('high', {}, { priority: 1 });
  await mail.add('plain', {});
  await mail.add('lifo', {}, { lifo: true });
  const began = Date.now();
  const late = await mail.add('late', {}, { delay: 400 });
  const moved = await mail.add('moved', {}, { delay: 3600000 });
  const promoted = await mail.add('promoted', {}, { delay: 3600000 });
  assert.strictEqual(await mail.getDelayedCount(), 3);
  assert.deepStrictEqual(await mail.getCountsPerPriority([0, 1, 9]), { 0: 2, 1: 1, 9: 1 });
  await moved.changeDelay(800);
  const order = [];
  const times = {};
  worker('mail', async (job) => {
    order.push(job.name);
    times[job.name] = Date.now() - began;
  });
  await until(() => order.includes('low'));
  await promoted.promote();
  await until(() => order.length === 7);
  assert.deepStrictEqual(order, ['lifo', 'plain', 'high', 'low', 'promoted', 'late', 'moved']);
  assert.ok(times.late >= 400 && times.moved >= 800, JSON.stringify(times));
  assert.strictEqual(await late.getState(), 'completed');
});

scenario('what fails is tried again, later each time, or not', async () => {
  const mail = queue('mail');
  const told = await events('mail');
  const times = [];
  worker('mail', async (job) => {
    if (job.name === 'hopeless') throw new UnrecoverableError('no such address');
    times.push(Date.now());
    if (job.attemptsMade < 3) throw new Error(`attempt ${job.attemptsMade}`);
    return 'at last';
  });
  const options = { attempts: 4, backoff: { type: 'exponential', delay: 100 } };
  const flaky = await mail.add('flaky', {}, options);
  const hopeless = await mail.add('hopeless', {}, options);
  await assert.rejects(hopeless.waitUntilFinished(told), /no such address/);
  assert.strictEqual(await flaky.waitUntilFinished(told), 'at last');
  assert.ok(times[1] - times[0] >= 100 && times[2] - times[1] >= 200 && times[3] - times[2] >= 400);
  const [failed] = await mail.getFailed();
  assert.deepStrictEqual([failed.id, failed.attemptsMade], [hopeless.id, 1]);
  assert.match(failed.stacktrace[0], /no such address/);
  await mail.pause();
  await failed.retry();
  assert.deepStrictEqual([await failed.getState(), await mail.isPaused()], ['waiting', true]);
  await mail.resume();
  await until(async () => (await mail.getFailedCount()) === 1);
});

scenario('a scheduler makes jobs again and again', async () => {
  const mail = queue('mail');
  const runs = [];
  worker('mail', async (job) => runs.push(job.data.n));
  await mail.upsertJobScheduler('ticks', { every: 150, limit: 3 }, { name: 'tick', data: { n: 1 } });
  await mail.upsertJobScheduler('nightly', { pattern: '0 3 * * *' }, { name: 'night', data: {} });
  assert.strictEqual(await mail.getJobSchedulersCount(), 2);
  const schedulers = await mail.getJobSchedulers();
  assert.deepStrictEqual(schedulers.map(({ key }) => key).sort(), ['nightly', 'ticks']);
  await until(() => runs.length === 3);
  assert.strictEqual((await mail.getDelayed()).filter((job) => job.name === 'night').length, 1);
  assert.strictEqual(await mail.removeJobScheduler('nightly'), true);
  await sleep(400);
  assert.strictEqual(runs.length, 3);
  assert.deepStrictEqual((await mail.getDelayed()).filter((job) => job.name === 'night'), []);
});

scenario('a limit of jobs in a time, of one worker kind and of a queue', async () => {
  const mail = queue('mail');
  const times = [];
  const body = async () => times.push(Date.now());
  const limited = worker('mail', body, { limiter: { max: 2, duration: 400 } });
  await mail.addBulk(Array.from({ length: 6 }, () => ({ name: 'job', data: {} })));
  await until(() => times.length === 6);
  assert.ok(times[5] - times[0] >= 780, `${times.map((time) => time - times[0])}`);
  await limited.close();
  await mail.setGlobalConcurrency(1);
  assert.strictEqual(await mail.getGlobalConcurrency(), 1);
  let atOnce = 0;
  let most = 0;
  let done = 0;
  const slow = async () => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    await sleep(20);
    atOnce -= 1;
    done += 1;
  };
  worker('mail', slow, { concurrency: 4 });
  worker('mail', slow, { concurrency: 4 });
  await mail.addBulk(Array.from({ length: 6 }, () => ({ name: 'job', data: {} })));
  await until(() => done === 6);
  assert.strictEqual(most, 1);
});

scenario('a flow: parents wait for their children, and hear what they return', async () => {
  const told = await events('report');
  worker('page', async (job) => {
    if (job.data.torn) throw new Error('torn');
    return job.data.number * 10;
  });
  worker('report', async (job) => {
    const values = Object.values(await job.getChildrenValues());
    return values.reduce((sum, value) => sum + value, 0);
  });
  const flow = made(new FlowProducer({ connection: connection() }));
  const page = (number, more = {}) => ({ name: 'page', queueName: 'page', data: { number }, ...more });
  const tree = await flow.add({
    name: 'book', queueName: 'report', data: {}, children: [
      page(1), page(2),
      { name: 'chapter', queueName: 'report', data: {}, children: [page(3), page(4)] },
    ],
  });
  assert.strictEqual(await tree.job.waitUntilFinished(told), 100);
  const found = await flow.getFlow({ id: tree.job.id, queueName: 'report' });
  assert.strictEqual(found.children.length, 3);
  const dependencies = await tree.job.getDependenciesCount();
  assert.deepStrictEqual([dependencies.processed, dependencies.unprocessed], [3, 0]);
  const torn = { name: 'page', queueName: 'page', data: { torn: true } };
  const lost = await flow.add({
    name: 'lost', queueName: 'report', data: {},
    children: [page(1), { ...torn, opts: { failParentOnFailure: true } }],
  });
  await assert.rejects(lost.job.waitUntilFinished(told), /failed/);
  const lucky = await flow.add({
    name: 'lucky', queueName: 'report', data: {},
    children: [page(7), { ...torn, opts: { ignoreDependencyOnFailure: true } }],
  });
  assert.strictEqual(await lucky.job.waitUntilFinished(told), 70);
  assert.deepStrictEqual(Object.values(await lucky.job.getIgnoredChildrenFailures()), ['torn']);
});

scenario('a job whose worker is gone goes to another one', async () => {
  const mail = queue('mail');
  const told = await events('mail');
  const stalled = new Promise((resolve) => { told.on('stalled', resolve); });
  let started = false;
  const gone = new Worker('mail', async () => {
    started = true;
    await new Promise(() => {});
  }, { connection: connection(), lockDuration: 200, skipLockRenewal: true, skipStalledCheck: true });
  gone.on('error', () => {});
  const job = await mail.add('job', {});
  await until(() => started);
  worker('mail', async () => 'done', { stalledInterval: 150 });
  assert.strictEqual((await stalled).jobId, job.id);
  assert.strictEqual(await job.waitUntilFinished(told), 'done');
  await gone.close(true);
});

scenario('jobs of one kind are told apart, and queues are emptied', async () => {
  const mail = queue('mail');
  const told = await events('mail');
  const twice = new Promise((resolve) => { told.on('deduplicated', resolve); });
  const first = await mail.add('job', {}, { deduplication: { id: 'daily' } });
  const second = await mail.add('job', {}, { deduplication: { id: 'daily' } });
  assert.deepStrictEqual([second.id, (await twice).deduplicationId], [first.id, 'daily']);
  assert.strictEqual(await mail.getDeduplicationJobId('daily'), first.id);
  await mail.addBulk([1, 2, 3].map((n) => ({ name: 'job', data: { n }, opts: { delay: 60000 } })));
  const counts = await mail.getJobCounts('waiting', 'delayed', 'completed');
  assert.deepStrictEqual(counts, { waiting: 1, delayed: 3, completed: 0 });
  await mail.drain(true);
  assert.strictEqual(await mail.count(), 0);
  // What is completed within one millisecond lies in the order of the ids' texts.
  const slowly = async (job) => sleep(2, job.data);
  const kept = worker('mail', slowly, {
    removeOnComplete: { count: 2 }, metrics: { maxDataPoints: 60 },
  });
  await mail.addBulk([1, 2, 3, 4, 5].map((n) => ({ name: 'job', data: { n } })));
  await until(async () => (await mail.getMetrics('completed')).meta.count === 5);
  assert.deepStrictEqual((await mail.getCompleted()).map((job) => job.data.n), [5, 4]);
  await kept.close();
  assert.strictEqual((await mail.clean(0, 10, 'completed')).length, 2);
  await mail.obliterate();
  assert.deepStrictEqual(await client.keys('bull:mail:*'), []);
});

scenario('events of one\'s own, and no more of them than wanted', async () => {
  const mail = queue('mail', { streams: { events: { maxLen: 10 } } });
  const told = await events('mail');
  const said = new Promise((resolve) => { told.on('fog', resolve); });
  const producer = made(new QueueEventsProducer('mail', { connection: connection() }));
  await producer.publishEvent({ eventName: 'fog', density: 3 });
  assert.strictEqual((await said).density, '3');
  await mail.addBulk(Array.from({ length: 300 }, () => ({ name: 'job', data: {} })));
  assert.ok((await client.xlen('bull:mail:events')) <= 200);
  await mail.trimEvents(0);
  assert.strictEqual(await client.xlen('bull:mail:events'), 0);
});
