'use strict';
// ioredis and node-redis over TLS: with certificates of clients that name their users, and what those
// may not do. The certificates are made by openssl.

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, afterEach, before, test } = require('node:test');
const Redis = require('ioredis');
const { createClient } = require('redis');
const { freePort, startServer } = require('./server.js');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'redstart-tls-'));
const file = (name) => path.join(folder, name);
const read = (name) => fs.readFileSync(file(name));

// A certificate of this name, signed by the authority, which signs itself.
function sign(name) {
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-days', '2', '-keyout', file(`${name}.key`), '-out', file(`${name}.crt`), '-subj', `/CN=${name}`];
  const by = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'),
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'];
  execFileSync('openssl', name === 'ca' ? made : [...made, ...by], { stdio: 'pipe' });
}

let server;
let port;
let admin;
const opened = [];

function shown(name) {
  return { ca: read('ca.crt'), servername: 'localhost', ...name && { cert: read(`${name}.crt`), key: read(`${name}.key`) } };
}

function connect(name, options = {}) {
  const client = new Redis({ host: '127.0.0.1', port, tls: shown(name), ...options });
  opened.push(client);
  return client;
}

before(async () => {
  ['ca', 'server', 'anna', 'nobody'].forEach(sign);
  port = await freePort();
  server = await startServer(['--tls-port', `${port}`, '--tls-auth-clients', 'yes', '--tls-auth-clients-user', 'CN',
    '--tls-cert-file', file('server.crt'), '--tls-key-file', file('server.key'), '--tls-ca-cert-file', file('ca.crt')]);
  admin = new Redis({ host: '127.0.0.1', port: server.port });
  await admin.acl('SETUSER', 'anna', 'on', '~anna:*', '&anna:*', '+@all', '-@dangerous', '+info');
});

afterEach(() => opened.splice(0).forEach((client) => client.disconnect()));

after(async () => {
  admin.disconnect();
  await server.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

test('a certificate names the user, and what that may not do is refused', async () => {
  const anna = connect('anna');
  assert.strictEqual(await anna.acl('WHOAMI'), 'anna');
  assert.strictEqual(await anna.set('anna:k', 'v'), 'OK');
  assert.strictEqual(await anna.get('anna:k'), 'v');
  await assert.rejects(anna.get('other'), /^ReplyError: NOPERM No permissions to access a key/);
  await assert.rejects(anna.flushall(), /^ReplyError: NOPERM User anna has no permissions to run the 'flushall' command/);
  await assert.rejects(anna.subscribe('other'), /^ReplyError: NOPERM No permissions to access a channel/);
  const told = await anna.multi().set('anna:k', 'w').get('other').exec().catch((error) => error);
  assert.match(String(told), /EXECABORT/);
  const nobody = connect('nobody');
  assert.strictEqual(await nobody.acl('WHOAMI'), 'default');
});

test('large values, pipelines and messages go over TLS', async () => {
  const anna = connect('anna');
  const large = 'x'.repeat(5_000_000);
  assert.strictEqual(await anna.set('anna:large', large), 'OK');
  assert.ok(await anna.get('anna:large') === large);
  const pipeline = anna.pipeline();
  for (let n = 0; n < 1000; n += 1) {
    pipeline.incr('anna:n');
  }
  const counted = await pipeline.exec();
  assert.deepStrictEqual(counted.at(-1), [null, 1000]);
  const listener = connect('anna');
  await listener.subscribe('anna:news');
  const heard = new Promise((resolve) => listener.once('message', (channel, text) => resolve([channel, text])));
  assert.strictEqual(await admin.publish('anna:news', 'hello'), 1);
  assert.deepStrictEqual(await heard, ['anna:news', 'hello']);
});

test('a client without a certificate is not let in, and one that does not speak TLS is told nothing', async () => {
  for (const options of [{ tls: shown() }, { tls: undefined }]) {
    const client = connect(undefined, { ...options, retryStrategy: null, lazyConnect: true, maxRetriesPerRequest: 0 });
    client.on('error', () => {});
    await assert.rejects(client.connect().then(() => client.ping()));
  }
});

test('a new certificate is for new connections, and none is dropped', async () => {
  const before = Array.from({ length: 10 }, () => connect('anna'));
  await Promise.all(before.map((client) => client.set('anna:k', 'v')));
  let ended = 0;
  before.forEach((client) => client.on('close', () => { ended += 1; }));
  sign('server');
  await admin.config('SET', 'tls-cert-file', file('server.crt'), 'tls-key-file', file('server.key'));
  const fresh = connect('anna');
  assert.strictEqual(await fresh.get('anna:k'), 'v');
  const fingerprint = (client) => client.stream.getPeerCertificate().fingerprint256;
  assert.notStrictEqual(fingerprint(fresh), fingerprint(before[0]));
  assert.deepStrictEqual(await Promise.all(before.map((client) => client.get('anna:k'))), Array(10).fill('v'));
  assert.strictEqual(ended, 0);
});

test('node-redis does the same', async () => {
  const client = createClient({ socket: { host: 'localhost', port, tls: true, ...shown('anna') } });
  client.on('error', () => {});
  await client.connect();
  assert.strictEqual(await client.aclWhoAmI(), 'anna');
  assert.strictEqual(await client.set('anna:k', 'v'), 'OK');
  await assert.rejects(client.get('other'), /NOPERM/);
  await client.close();
});
