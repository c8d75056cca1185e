'use strict';
// The server under test as a process: on a free loopback port, in an empty directory, ended by
// its process id. REDSTART_BIN names its program.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

function answersPing(port) {
  return new Promise((resolve) => {
    const link = net.connect(port, '127.0.0.1', () => link.write('PING\r\n'));
    link.setTimeout(1000, () => link.destroy());
    link.on('data', (data) => {
      resolve(data.toString() === '+PONG\r\n');
      link.destroy();
    });
    link.on('error', () => resolve(false));
    link.on('close', () => resolve(false));
  });
}

async function startServer(more = []) {
  const port = await freePort();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'redstart-clients-'));
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn(process.env.REDSTART_BIN, [...options, ...more], { cwd: directory, stdio: 'ignore' });
  const stop = async () => {
    if (child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    fs.rmSync(directory, { recursive: true, force: true });
  };
  process.on('exit', () => child.kill('SIGKILL'));
  for (let tries = 0; tries < 1000 && child.exitCode === null; tries += 1) {
    if (await answersPing(port)) {
      return { port, stop };
    }
    await sleep(10);
  }
  await stop();
  throw new Error(`${process.env.REDSTART_BIN} does not answer PING`);
}

module.exports = { freePort, startServer };
