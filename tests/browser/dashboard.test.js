'use strict';
// The dashboard as a person uses it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { before, after, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { chromium } = require('playwright-core');
const { startServer } = require('./server');

const SCREENS = ['overview', 'latency', 'commands', 'keys', 'prefixes', 'sample', 'slow', 'clients', 'locks',
  'persistence', 'settings', 'console'];
const KEYS = Number(process.env.KEYS ?? 20000);
const HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>';
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

let browser;
let server;
let web;

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => probe.on('listening', done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

/** Sends lines as inline commands and waits for as many replies. */
async function send(port, lines) {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(`${lines.join('\r\n')}\r\nECHO the-end\r\n`);
  let tail = '';
  for await (const data of socket) {
    tail = (tail + data.toString('latin1')).slice(-64);
    if (tail.includes('the-end')) break;
  }
  socket.destroy();
}

const quoted = (text) => `"${text.replace(/["\\]/g, (c) => `\\${c}`)}"`;

async function fill(port) {
  const lines = [];
  for (let n = 0; n < KEYS; n++) {
    const kind = n % 6;
    lines.push([`SET string:${n} value-${n}`, `HSET hash:${n} name ann age ${n % 90}`,
      `RPUSH list:${n} a b c`, `SADD set:${n} a b ${n}`, `ZADD zset:${n} 1 a 2.5 b`,
      `XADD stream:${n} * temperature ${n % 40}`][kind]);
    if (kind === 0 && n % 4 === 0) lines.push(`EXPIRE string:${n} 1000`);
  }
  lines.push(`SET ${quoted(`evil:${HOSTILE}`)} ${quoted(HOSTILE)}`,
    `HSET evil:hash ${quoted(HOSTILE)} ${quoted(HOSTILE)}`, 'SET bytes:a "\\xff\\xfe"',
    'SET "bytes:\\xff" x', 'SET json:a "{\\"a\\":[1,2]}"', 'RPUSH list:long '
    + Array.from({ length: 250 }, (_, n) => n).join(' '),
    'XGROUP CREATE stream:5 workers 0', 'LOCK.ACQUIRE lock:job worker-1 TTL 600000',
    'CONFIG SET slowlog-log-slower-than 1000', 'DEBUG SLEEP 0.01',
    'CONFIG SET latency-monitor-threshold 5', 'DEBUG SLEEP 0.01');
  await send(port, lines);
}

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  // While the page is written: its files from a folder instead of from the binary.
  if (process.env.PAGE) {
    await context.route(/\.(js|css)$/, (route) => route.fulfill({
      path: path.join(process.env.PAGE, new URL(route.request().url()).pathname) }));
  }
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(String(error)));
  page.on('console', (message) => {
    // The first question whether there is a session is answered by 401.
    if (message.type() === 'error' && !/401/.test(message.text())) page.errors.push(message.text());
  });
  page.on('dialog', (dialog) => dialog.accept());
  return page;
}

async function go(page, name) {
  await page.goto(`${page.base ?? web}/#${name}`);
  await page.waitForSelector('main .screen h2, main form.login');
}

async function shoot(page, name) {
  if (process.env.SHOTS) {
    fs.mkdirSync(process.env.SHOTS, { recursive: true });
    await page.screenshot({ path: path.join(process.env.SHOTS, `${name}.png`) });
  }
}

before(async () => {
  const port = await freePort();
  server = await startServer(['--http-port', String(port), '--enable-debug-command', 'yes']);
  web = `http://127.0.0.1:${port}`;
  await fill(server.port);
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'] });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('every screen shows its figures, passes axe-core and fits 400 pixels, light and dark', async () => {
  for (const theme of ['light', 'dark']) {
    const page = await open({ colorScheme: theme });
    for (const name of SCREENS) {
      await page.setViewportSize({ width: 1280, height: 900 });
      await go(page, name);
      await page.waitForTimeout(name === 'overview' ? 2500 : 700);
      await shoot(page, `${name}-${theme}`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      const told = violations.map((one) => `${one.id}: ${one.nodes.map((n) => n.html).slice(0, 3)}`);
      assert.deepEqual(told, [], `${name} in ${theme}`);
      await page.setViewportSize({ width: 400, height: 800 });
      await page.waitForTimeout(150);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      await shoot(page, `${name}-${theme}-400`);
      assert.ok(wide <= 400, `${name} is ${wide} pixels wide`);
    }
    assert.deepEqual(page.errors, []);
    await page.context().close();
  }
});

test('the page is light and quick', async () => {
  const page = await open();
  await go(page, 'overview');
  await page.waitForSelector('.tiles dd');
  const [bytes, paint] = await page.evaluate(() => {
    const files = performance.getEntriesByType('resource').filter((one) =>
      /\.(js|css|svg)$/.test(one.name));
    return [files.reduce((sum, one) => sum + one.decodedBodySize, 0),
      performance.getEntriesByName('first-contentful-paint')[0]?.startTime];
  });
  console.log(`page: ${bytes} bytes, first paint after ${Math.round(paint)} ms`);
  assert.ok(bytes > 10000 && bytes < 300000);
  await page.context().close();
});

test('figures are alive', async () => {
  const page = await open();
  await go(page, 'overview');
  const keys = () => page.locator('.tiles div', { hasText: 'Keys' }).locator('dd').first().textContent();
  await page.waitForSelector('.tiles dd');
  await send(server.port, Array.from({ length: 3000 }, (_, n) => `SET live:${n} x`));
  await page.waitForFunction(() => [...document.querySelectorAll('.tiles dd')].length > 4);
  const first = await keys();
  await send(server.port, Array.from({ length: 9000 }, (_, n) => `SET live:more:${n} x`));
  await sleep(2500);
  assert.notEqual(await keys(), first);
  await page.context().close();
});

test('keys are found, shown by type, changed and deleted', async () => {
  const page = await open();
  await go(page, 'keys');
  const look = async (prefix) => {
    await page.getByLabel('Keys that begin with').fill(prefix);
    await page.getByRole('button', { name: 'Look', exact: true }).click();
    await page.waitForFunction(() => /all there are|so far/.test(document.querySelector('main [role=status]').textContent));
  };
  const pick = async (name) => {
    await look(name);
    await page.locator('button.link', { hasText: name }).first().click();
    await page.locator('.detail h3', { hasText: name }).waitFor();
  };
  for (const name of ['string:0', 'hash:1', 'list:2', 'set:3', 'zset:4', 'stream:5', 'json:a', 'bytes:']) {
    await pick(name);
    await shoot(page, `key-${name.replace(/\W/g, '-')}`);
  }
  await pick('string:0');
  await page.getByLabel('Value').fill('changed');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForFunction(() => document.querySelector('#notice').textContent === 'Saved');
  await pick('hash:1');
  await page.getByLabel('Field', { exact: true }).fill('colour');
  await page.getByLabel('Value', { exact: true }).fill('red');
  await page.getByRole('button', { name: 'Set field' }).click();
  await page.locator('.detail td', { hasText: 'colour' }).waitFor();
  await pick('set:3');
  await page.getByRole('button', { name: 'Delete', exact: true }).first().click();
  await page.waitForFunction(() => document.querySelector('#notice').textContent === 'Deleted');
  await look('set:3');
  const names = await page.locator('button.link').allTextContents();
  assert.ok(!names.includes('set:3'));
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test('hits and misses are counted by prefix', async () => {
  const page = await open();
  await go(page, 'prefixes');
  await page.locator('main [role=status]', { hasText: 'Nothing is counted' }).waitFor();
  await page.getByRole('button', { name: 'Count by these' }).click();
  await page.waitForFunction(() => document.querySelector('#notice').textContent === 'Set');
  await send(server.port, ['GET string:0', 'GET string:6', 'GET string:nowhere', 'GET none:1']);
  const row = page.locator('tr', { has: page.locator('code', { hasText: /^string:$/ }) });
  await row.filter({ hasText: '66.7 %' }).waitFor();
  assert.match(await row.textContent(), /never there, as far as is known: 1/);
  await sleep(2500);
  await shoot(page, 'prefixes-counted');
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test('script in keys and values is text', async () => {
  const page = await open();
  await go(page, 'keys');
  await page.getByLabel('Keys that begin with').fill('evil:');
  await page.getByRole('button', { name: 'Look', exact: true }).click();
  await page.locator('button.link').first().waitFor();
  for (const link of await page.locator('button.link').all()) {
    await link.click();
    await page.waitForSelector('.detail h3');
    await page.waitForTimeout(200);
  }
  await go(page, 'console');
  await page.getByLabel('Command').fill('HGETALL evil:hash');
  await page.keyboard.press('Enter');
  await page.locator('.terminal pre', { hasText: 'onerror' }).waitFor();
  await send(server.port, ['CONFIG SET slowlog-log-slower-than 0']);
  await send(server.port, [`CLIENT SETNAME ${'x'.repeat(20)}<b>`, `LPUSH evil:list ${quoted(HOSTILE)}`]);
  await send(server.port, ['CONFIG SET slowlog-log-slower-than 10000']);
  await go(page, 'slow');
  await page.locator('td code', { hasText: 'onerror' }).first().waitFor();
  assert.equal(await page.evaluate(() => window.hurt), undefined);
  assert.equal(await page.locator('main img').count(), 0);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test('the console runs, completes and helps; the keyboard is enough', async () => {
  const page = await open();
  await go(page, 'console');
  const prompt = page.getByLabel('Command');
  await page.waitForTimeout(500);
  const run = async (line, text) => {
    await prompt.fill(line);
    await prompt.press('Enter');
    await page.locator('.terminal pre', { hasText: text }).last().waitFor();
  };
  await run('SET console:a "a b\\x00"', '"OK"');
  await run('GET console:a', '"a b\\x00"');
  await run('HGETALL hash:7', '1# "name" => "ann"');
  await run('LRANGE list:2 0 -1', '3) "c"');
  await run('BLPOP nothing 0', 'may wait');
  await run('NOSUCH', 'ERR unknown command');
  await run('help zadd', 'ZADD key');
  await run('SELECT 3', 'OK');
  await run('SET only:3 x', '"OK"');
  await run('DBSIZE', '(integer) 1');
  await run('SELECT 0', 'OK');
  await prompt.fill('zrevrangeb');
  await page.keyboard.press('Tab');
  assert.match(await prompt.inputValue(), /^ZREVRANGEBY/);
  await prompt.fill('');
  await page.keyboard.press('ArrowUp');
  assert.equal(await prompt.inputValue(), 'SELECT 0');
  assert.match(await page.locator('#help').textContent(), /SELECT index/);
  await prompt.fill('config set maxmemory-pol');
  await page.keyboard.press('Tab');
  assert.equal(await prompt.inputValue(), 'config set maxmemory-policy ');
  assert.match(await page.locator('#help').textContent(), /noeviction, its default — Which keys go/);
  // From the top of the page to a screen by keys alone.
  await go(page, 'overview');
  await page.locator('nav a').first().focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Latency', exact: true }).waitFor();
  await page.context().close();
});

test('a client is killed, a parameter set, a lock released, a snapshot saved', async () => {
  const page = await open();
  const victim = net.connect(server.port, '127.0.0.1');
  victim.write('CLIENT SETNAME victim\r\n');
  const gone = new Promise((done) => victim.on('close', done));
  victim.on('error', () => {});
  await new Promise((done) => victim.once('data', done));
  await go(page, 'clients');
  await page.getByLabel('Only those with').fill('victim');
  await page.getByRole('button', { name: /^Kill client/ }).click();
  await gone;
  await go(page, 'settings');
  await page.getByLabel('Only those with').fill('maxmemory-policy');
  await page.getByLabel('Value of maxmemory-policy').selectOption('allkeys-lru');
  await page.getByRole('button', { name: 'Set maxmemory-policy' }).click();
  await page.locator('.changed', { hasText: 'maxmemory-policy' }).waitFor();
  await go(page, 'locks');
  await page.locator('td', { hasText: 'worker-1' }).waitFor();
  await page.getByRole('button', { name: /^Release/ }).click();
  await page.locator('td', { hasText: 'No lock is held' }).waitFor();
  await go(page, 'persistence');
  await page.getByRole('button', { name: 'Save a snapshot now' }).click();
  await page.waitForFunction(() => document.querySelector('#notice').textContent === 'It is being saved');
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test('with a password one logs in and out, and a user sees what it may', async () => {
  const port = await freePort();
  const other = await startServer(['--http-port', String(port)]);
  await send(other.port, ['ACL SETUSER ann on >pw ~* +@all',
    'ACL SETUSER bob on >pw ~a:* +get +scan +ping']);
  await send(other.port, ['CONFIG SET requirepass secret']);
  const page = await open();
  page.base = `http://127.0.0.1:${port}`;
  await go(page, 'overview');
  await shoot(page, 'login');
  const enter = async (user, password) => {
    await page.getByLabel('User').fill(user);
    await page.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');
  };
  await enter('ann', 'wrong');
  await page.waitForFunction(() => /WRONGPASS/.test(document.querySelector('#notice').textContent));
  await enter('ann', 'pw');
  await page.waitForSelector('.tiles dd');
  await page.reload();
  await page.waitForSelector('.tiles dd');
  await page.getByRole('button', { name: 'Log out ann' }).click();
  await page.waitForSelector('form.login');
  await enter('bob', 'pw');
  await page.getByRole('button', { name: 'Log out bob' }).waitFor();
  await page.waitForFunction(() => /INFO/.test(document.querySelector('#state').textContent));
  await other.stop();
});

test('a picture for the README', { skip: !process.env.PICTURE }, async () => {
  const page = await open({ viewport: { width: 1280, height: 1010 }, deviceScaleFactor: 1 });
  await go(page, 'overview');
  // Ten times a second, by the clock: what takes long must not look like a fall.
  const began = Date.now();
  for (let turn = 0; turn < 900; turn++) {
    const second = Math.floor(turn / 10);
    const wave = 150 + 100 * Math.sin(turn / 90) + 30 * Math.sin(turn / 20);
    await send(server.port, Array.from({ length: Math.round(wave) }, (_, n) => n % 5 === 0
      ? `SET page:${second}:${turn % 10}:${n} ${'x'.repeat(200)} EX ${10 + n % 40}`
      : `GET page:${Math.max(0, second - n % 30)}:${turn % 10}:${5 * (n % 50)}`));
    await sleep(Math.max(0, began + 100 * (turn + 1) - Date.now()));
  }
  await page.screenshot({ path: process.env.PICTURE });
  await page.context().close();
});
