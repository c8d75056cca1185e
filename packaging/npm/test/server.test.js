'use strict';
// The package as it is installed: what `redstart-server` leads to.

const assert = require('node:assert');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const { test } = require('node:test');
const { start, program } = require('redstart-server');

/** Sends lines to a server, and returns what it replies until it has replied so many lines. */
function talk(server, lines, count) {
  return new Promise((resolve, reject) => {
    const link = net.connect(server.path ? { path: server.path } : { port: server.port });
    let text = '';
    link.on('error', reject);
    link.on('connect', () => link.write(lines.map((line) => `${line}\r\n`).join('')));
    link.on('data', (data) => {
      text += data;
      if (text.split('\r\n').length > count) {
        link.destroy();
        resolve(text);
      }
    });
  });
}

/** Whether a process is there. A zombie that nobody has waited for is not. */
function lives(pid) {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(what, condition) {
  const end = Date.now() + 10000;
  while (!condition()) {
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a server on a free port, in a folder that goes with it', async () => {
  const server = await start();
  assert.match(server.url, /^redis:\/\/127\.0\.0\.1:\d+\/0$/);
  assert.equal(await talk(server, ['SET k v', 'GET k'], 3), '+OK\r\n$1\r\nv\r\n');
  assert.match(server.log(), /Ready to accept connections/);
  await server.stop();
  assert.ok(!lives(server.pid));
  assert.ok(!fs.existsSync(server.directory));
});

test('two at a time, and a socket file', async () => {
  const servers = await Promise.all([start(), start(), start({ unix: true })]);
  assert.notEqual(servers[0].port, servers[1].port);
  assert.equal(servers[2].port, null);
  for (const server of servers) assert.equal(await talk(server, ['PING'], 1), '+PONG\r\n');
  await Promise.all(servers.map((server) => server.stop()));
});

test('parameters, a password, a folder that stays', async () => {
  const directory = fs.mkdtempSync('/tmp/redstart-test-');
  const parameters = { appendonly: true, requirepass: 'a b' };
  const first = await start({ directory, parameters });
  assert.match(first.url, /^redis:\/\/:a%20b@/);
  assert.equal(await talk(first, ['AUTH "a b"', 'SET kept yes'], 2), '+OK\r\n+OK\r\n');
  await first.kill();
  const second = await start({ directory, parameters });
  assert.equal(await talk(second, ['AUTH "a b"', 'GET kept'], 3), '+OK\r\n$3\r\nyes\r\n');
  await second.stop();
  fs.rmSync(directory, { recursive: true });
});

test('what is wrong is told', async () => {
  await assert.rejects(start({ parameters: { maxmemory: 'much' } }), /maxmemory|memory/);
  const taken = await start();
  await assert.rejects(start({ port: taken.port }), /another process has port/);
  await taken.stop();
  await assert.rejects(start({ binary: '/nowhere/redstart' }), /ENOENT/);
});

for (const how of ['process.exit(0)', 'process.kill(process.pid, "SIGKILL")', '']) {
  test(`the server ends with the process: ${how || 'its end'}`, async () => {
    const code = `require('redstart-server').start().then((server) => {
      console.log(server.pid); ${how} })`;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    for await (const data of child.stdout) text += data;
    const pid = Number(text);
    assert.ok(pid > 1, text);
    await until(`the server ${pid} outlives its process`, () => !lives(pid));
  });
}

test('the program is the one of the package', () => {
  if (!process.env.REDSTART_BIN) assert.match(program(), /node_modules/);
  const path = require.resolve('redstart-server');
  assert.match(execFileSync(program(), ['--version']).toString(), /^Redstart /);
  assert.match(path, /node_modules/);
});
