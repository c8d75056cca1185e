'use strict';
// A server for tests: on a free port, in a folder of its own, and ended with the process that started it.
//
// Node cannot ask the kernel to end a child with its parent, so a shell waits beside the server: it reads
// from a pipe whose other end this process has, and which closes with it, however it ends.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const TRIES = 5;

/** The path of the server's program. */
function program() {
  return process.env.REDSTART_BIN || path.join(__dirname, 'bin', 'redstart');
}

/** A port that is free now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const listener = net.createServer();
    listener.once('error', reject);
    listener.listen(0, '127.0.0.1', () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

/** Parameters as arguments. */
function words(parameters) {
  return Object.entries(parameters).flatMap(([name, value]) => [
    `--${name.replaceAll('_', '-')}`,
    typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value),
  ]);
}

/** A request in RESP. */
function request(...args) {
  const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
  return `*${args.length}\r\n${parts.join('')}`;
}

class PortTaken extends Error {}

class Server {
  #child;
  #watcher;
  #ended;
  #onExit;
  #isPrivate;
  #password;
  #logFile;

  constructor(child, place) {
    this.#child = child;
    this.#isPrivate = place.isPrivate;
    this.#password = place.password;
    this.#logFile = place.logFile;
    this.port = place.port;
    this.path = place.path;
    this.directory = place.directory;
    this.pid = child.pid;
    const user = this.#password ? `:${encodeURIComponent(this.#password)}@` : '';
    this.url = this.path ? `unix://${user}${this.path}` : `redis://${user}127.0.0.1:${this.port}/0`;
    // The shell's input is a pipe; `read` returns when it closes.
    this.#watcher = spawn('/bin/sh', ['-c', 'read -r _; kill -KILL "$1"', 'sh', String(child.pid)], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#watcher.on('error', () => {});
    this.#watcher.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
    this.#onExit = () => {
      child.kill('SIGKILL');
      this.#clear();
    };
    process.once('exit', this.#onExit);
    this.#ended.then(() => this.#watcher.kill('SIGKILL'));
    // A server that was not stopped does not hold the process up.
    for (const part of [child, this.#watcher, this.#watcher.stdin]) part.unref();
  }

  log() {
    return fs.existsSync(this.#logFile) ? fs.readFileSync(this.#logFile, 'utf8') : '';
  }

  async stop() {
    await this.#end('SIGTERM');
  }

  async kill() {
    await this.#end('SIGKILL');
  }

  async #end(signal) {
    this.#child.ref();
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    else this.#child.unref();
    await this.#ended;
    process.removeListener('exit', this.#onExit);
    this.#clear();
  }

  #clear() {
    if (this.#isPrivate) fs.rmSync(this.directory, { recursive: true, force: true });
  }

  /** Waits until this server, and no other on its port, answers. */
  async ready(until) {
    while (this.#child.exitCode === null && this.#child.signalCode === null && Date.now() < until) {
      const answer = await this.#ask();
      if (answer === this.pid) return;
      if (answer !== null) throw new PortTaken(`another process has port ${this.port}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const log = this.log();
    if (/address already in use/i.test(log)) throw new PortTaken(`another process has port ${this.port}`);
    throw new Error(`the server does not serve:\n${log.slice(-2000)}`);
  }

  /** The number of the process that answers, or null. */
  #ask() {
    return new Promise((resolve) => {
      const link = net.connect(this.path ? { path: this.path } : { port: this.port, host: '127.0.0.1' });
      const finish = (answer) => {
        link.destroy();
        resolve(answer);
      };
      let text = '';
      link.setTimeout(1000, () => finish(null));
      link.on('error', () => finish(null));
      link.on('close', () => resolve(null));
      link.on('connect', () => {
        const auth = this.#password ? request('AUTH', this.#password) : '';
        link.write(auth + request('INFO', 'server'));
      });
      link.on('data', (data) => {
        text += data;
        const found = /process_id:(\d+)/.exec(text);
        if (found) finish(Number(found[1]));
        else if (text.startsWith('-')) finish(null);
      });
    });
  }
}
// Node before 20 does not know the symbol.
if (Symbol.asyncDispose) {
  Server.prototype[Symbol.asyncDispose] = function dispose() {
    return this.stop();
  };
}

/** Starts a server; rejects with the end of its log if it does not serve. */
async function start(options = {}) {
  const isPrivate = options.directory === undefined;
  const directory = isPrivate
    ? fs.mkdtempSync(path.join(os.tmpdir(), 'redstart-'))
    : path.resolve(options.directory);
  const given = { bind: '127.0.0.1', save: '', appendonly: false, ...options.parameters };
  const until = Date.now() + (options.timeoutMs ?? 20000);
  const socket = options.unix ? path.join(directory, 'socket') : null;
  for (let left = TRIES; ; left -= 1) {
    const port = socket ? null : (options.port ?? (await freePort()));
    const place = socket ? ['--port', '0', '--unixsocket', socket] : ['--port', String(port)];
    const logFile = path.join(directory, 'redstart.log');
    const log = fs.openSync(logFile, 'w');
    const child = spawn(options.binary ?? program(), [...words(given), ...place], {
      cwd: directory,
      stdio: ['ignore', log, log],
    });
    fs.closeSync(log);
    try {
      await new Promise((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
    } catch (error) {
      if (isPrivate) fs.rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    const password = String(given.requirepass ?? '');
    // Between two tries the folder stays.
    const server = new Server(child, { port, path: socket, directory, isPrivate, password, logFile });
    try {
      await server.ready(until);
      return server;
    } catch (error) {
      await server.kill();
      if (!(error instanceof PortTaken) || options.port !== undefined || left === 1) throw error;
      if (isPrivate) fs.mkdirSync(directory, { recursive: true });
    }
  }
}

module.exports = { start, program, Server };
