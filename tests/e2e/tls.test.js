// tls.test.js: TLS in the server: REST, WebSockets and event streams through it, the plain unix socket beside it, renewed
// certificates, and what is refused. What clients do to it: tls_front.test.js, tls_limits.test.js.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, describe, test } from 'node:test';
import WebSocket from 'ws';
import {
	Daemon,
	DEADLINE_MS,
	Process,
	Redis,
	SYNCDOCD,
	WebSocketClient,
	documentPath,
	freePort,
	makeCertificate,
	nothingUntilPong,
	until,
	within,
} from './harness.js';

let directory;
let redis;
let files;
before(async () => {
	directory = fs.mkdtempSync(path.join(os.tmpdir(), 'syncdoc-tls-'));
	redis = await Redis.start();
	files = certificate('one');
});
after(async () => {
	await redis?.stop();
	fs.rmSync(directory, { recursive: true, force: true });
});

const certificate = (name, options) => makeCertificate(directory, name, options);

const agents = new Set();
function request(daemon, method, target, { body, ca = files.cert, headers = {}, agent } = {}) {
	const answer = new Promise((resolve, reject) => {
		const text = body === undefined ? undefined : JSON.stringify(body);
		const asking = https.request(
			{
				host: '127.0.0.1',
				port: daemon.port,
				path: target,
				method,
				ca: fs.readFileSync(ca),
				agent: agent ?? false,
				headers: { ...headers, ...(text && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }) },
			},
			response => {
				const parts = [];
				response.on('data', part => parts.push(part));
				response.on('error', reject);
				response.on('end', () =>
					resolve({ status: response.statusCode, headers: response.headers, text: String(Buffer.concat(parts)) }),
				);
			},
		);
		asking.on('error', reject);
		asking.end(text);
	});
	return within(answer, DEADLINE_MS, `answer to ${method} ${target}`);
}

async function connect(daemon, options = {}) {
	const socket = new WebSocket(`wss://127.0.0.1:${daemon.port}/v1/realtime`, {
		ca: fs.readFileSync(options.ca ?? files.cert),
		perMessageDeflate: options.deflate ?? false,
	});
	const client = new WebSocketClient(socket);
	await within(new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject)), DEADLINE_MS, 'wss handshake');
	client.welcome = await client.next(message => message.type === 'welcome');
	daemon.clients.add(client);
	return client;
}

async function start(settings = {}, options = {}) {
	const daemon = new Daemon({
		redis,
		socket: true,
		settings: { 'tls.cert': files.cert, 'tls.key': files.key, ...settings },
		wait: false,
		...options,
	});
	await daemon.start();
	await until(
		async () => {
			assert.ok(!daemon.process.end, daemon.stderr);
			return (await request(daemon, 'GET', '/readyz', { ca: options.ca }).catch(() => null))?.status === 200;
		},
		undefined,
		() => daemon.stderr.slice(-2000),
	);
	return daemon;
}

describe('served over TLS', () => {
	let daemon;
	before(async () => {
		daemon = await start();
	});
	after(() => daemon?.stop());

	test('REST, with large bodies both ways, on one connection', async () => {
		const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
		agents.add(agent);
		const data = { text: 'ä€𝄞'.repeat(5000) };
		for (let i = 0; i < 5; i++) {
			assert.equal((await request(daemon, 'PUT', documentPath('s', 'large'), { body: { data }, agent })).status, i ? 200 : 201);
			const answer = await request(daemon, 'GET', documentPath('s', 'large'), { agent });
			assert.deepEqual(JSON.parse(answer.text).data, data);
		}
		agent.destroy();
	});

	test('WebSockets: events, answers, large messages both ways, pings, close', async () => {
		const [a, b] = [await connect(daemon), await connect(daemon, { deflate: true })];
		for (const client of [a, b]) await client.subscribe({ topic: 'sync.s.*', returnMode: 'both' });
		const data = { text: crypto.randomBytes(20000).toString('hex') };
		const result = await a.request({ type: 'sync.replace', service: 's', documentId: 'ws', data });
		assert.equal(result.type, 'result', result.text);
		for (const client of [a, b]) assert.deepEqual((await client.event(event => event.payload.documentId === 'ws')).payload.data, data);
		for (let n = 0; n < 300; n++) a.send({ type: 'sync.replace', service: 's', documentId: 'many', data: { n }, id: n });
		for (const client of [a, b])
			await client.event(event => event.payload.documentId === 'many' && event.payload.data.n === 299);
		const revisions = b.events.filter(event => event.payload.documentId === 'many').map(event => event.payload.revision);
		assert.deepEqual(revisions, [...revisions].sort((x, y) => x - y));
		assert.equal(new Set(revisions).size, revisions.length);
		a.socket.ping('hello');
		await until(() => a.pongs.includes('hello'));
		a.socket.close(1000, 'done');
		assert.equal((await a.waitForClose()).code, 1000);
		assert.ok(await nothingUntilPong(b, message => message.type === 'error'));
		b.close();
		await until(async () => /syncdoc_connections\{[^}]*\} 0/.test((await request(daemon, 'GET', '/metrics')).text));
	});

	test('many WebSockets at once, all get an event, and nothing of them stays', async () => {
		const fds = async () => Number(/syncdoc_open_fds\{[^}]*\} (\d+)/.exec((await request(daemon, 'GET', '/metrics')).text)[1]);
		let before; // a worker that has just begun has not counted them yet, and says 0
		await until(async () => (before = await fds()) > 0, DEADLINE_MS, 'the first count of descriptors');
		const clients = await Promise.all(Array.from({ length: 60 }, () => connect(daemon)));
		await Promise.all(clients.map(client => client.subscribe({ topic: 'sync.s.*' })));
		await request(daemon, 'PUT', documentPath('s', 'all'), { body: { data: { n: 1 } } });
		for (const client of clients) await client.event(event => event.payload.documentId === 'all');
		for (const client of clients.slice(0, 30)) client.close();
		for (const client of clients.slice(30)) client.socket.close();
		let now;
		await until(async () => (now = await fds()) <= before + 3, DEADLINE_MS, () => `${before} descriptors again; there are ${now}`);
	});

	test('the unix socket speaks plain HTTP', async () => {
		const client = daemon.client({ socketPath: daemon.socket });
		assert.equal((await client.get('/livez')).status, 200);
	});

	test('TLS 1.2 and 1.3, nothing older; plain HTTP gets nothing', async () => {
		const greet = options =>
			within(
				new Promise((resolve, reject) => {
					const socket = tls.connect({ host: '127.0.0.1', port: daemon.port, ca: fs.readFileSync(files.cert), ...options }, () => {
						resolve(socket.getProtocol());
						socket.destroy();
					});
					socket.on('error', reject);
				}),
				DEADLINE_MS,
				'a TLS handshake',
			);
		assert.equal(await greet({}), 'TLSv1.3');
		assert.equal(await greet({ maxVersion: 'TLSv1.2' }), 'TLSv1.2');
		for (const version of ['TLSv1.1', 'TLSv1'])
			await assert.rejects(greet({ minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' }));
		await assert.rejects(daemon.client({ keepAlive: false, deadlineMs: 5000 }).get('/livez'));
	});

	test('a client that stops reading does not keep others from their events', async () => {
		const slow = await connect(daemon), quick = await connect(daemon);
		await slow.subscribe({ topic: 'sync.slow.*' });
		await quick.subscribe({ topic: 'sync.slow.*' });
		slow.socket.pause();
		const data = { text: 'x'.repeat(8000) }; // of ten documents: less than ws.queue, so nobody gets a resync for all
		for (let n = 0; n < 100; n++)
			await request(daemon, 'PUT', documentPath('slow', `d${n % 10}`), { body: { data: { ...data, n } } });
		await quick.event(event => event.payload.data?.n === 99);
		slow.socket.resume();
		// It is told of the newest of each, whole or by a resync.
		await slow.next(message => message.payload?.data?.n === 99 || message.type === 'resync');
		slow.close();
		quick.close();
	});
});

test('a drain tells clients to go, and ends in time', async () => {
	const daemon = await start();
	const client = await connect(daemon);
	daemon.process.kill('SIGTERM');
	await client.next(message => message.type === 'goaway');
	assert.ok([1001, 1012].includes((await client.waitForClose()).code));
	await daemon.stop();
});

test('a reload serves the renewed certificate, and keeps the old one while the new is broken', async () => {
	const cert = path.join(directory, 'live.crt'), key = path.join(directory, 'live.key');
	const put = one => {
		fs.copyFileSync(one.key, key);
		fs.chmodSync(key, 0o600);
		fs.copyFileSync(one.cert, cert);
	};
	put(files);
	const daemon = await start({ 'tls.cert': cert, 'tls.key': key });
	try {
		const two = certificate('two', { days: 3 });
		fs.copyFileSync(two.cert, cert); // not the key's
		daemon.process.kill('SIGHUP');
		await until(() => /tls\.key: .*the old configuration stays/.test(daemon.stderr));
		assert.equal((await request(daemon, 'GET', '/livez')).status, 200);
		put(two);
		daemon.process.kill('SIGHUP');
		await until(async () => (await request(daemon, 'GET', '/livez', { ca: two.cert }).catch(() => null))?.status === 200);
		assert.match(daemon.stderr, /tls\.cert: .* expires in 2 days|tls\.cert: .* expires in 3 days/);
	} finally {
		await daemon.stop();
	}
});

test('what cannot serve is refused at the start, in one line', async () => {
	const other = certificate('other');
	const place = name => path.join(directory, name);
	fs.writeFileSync(place('noise.pem'), 'no PEM\n', { mode: 0o600 });
	fs.copyFileSync(files.key, place('open.key'));
	fs.chmodSync(place('open.key'), 0o644);
	const locked = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' };
	fs.writeFileSync(place('locked.key'), crypto.createPrivateKey(fs.readFileSync(files.key)).export(locked), { mode: 0o600 });
	fs.chmodSync(files.cert, 0o600);
	const rows = [
		[{ 'tls.cert': files.cert, 'tls.key': place('missing') }, /tls\.key: .*missing: No such file/],
		[{ 'tls.cert': place('missing'), 'tls.key': files.key }, /tls\.cert: .*missing: No such file/],
		[{ 'tls.cert': files.cert, 'tls.key': place('open.key') }, /tls\.key: .*open\.key: may not be open to others/],
		[{ 'tls.cert': files.cert, 'tls.key': other.key }, /tls\.key: .*other\.key: is not the key of the certificate in tls\.cert/],
		[{ 'tls.cert': files.cert, 'tls.key': files.cert }, /tls\.key: .*: holds no private key in PEM/],
		[{ 'tls.cert': files.cert, 'tls.key': place('locked.key') }, /tls\.key: .*locked\.key: is locked with a passphrase/],
		[{ 'tls.cert': place('noise.pem'), 'tls.key': files.key }, /tls\.cert: .*noise\.pem: holds no PEM certificate/],
		[{ 'tls.cert': files.cert }, /tls\.cert and tls\.key need each other/],
		[{ 'tls.cert': 'relative.crt', 'tls.key': files.key }, /tls\.cert/],
	];
	for (const [settings, reason] of rows) {
		const args = ['-f', '-o', `listen=127.0.0.1:${await freePort()}`, '-o', `state_dir=${fs.mkdtempSync(place('state-'))}`];
		for (const [name, value] of Object.entries({ 'redis.url': redis.url, ...settings })) args.push('-o', `${name}=${value}`);
		const process = new Process(SYNCDOCD, args);
		const end = await process.waitForExit(DEADLINE_MS);
		await process.closed;
		assert.notEqual(end.code, 0, JSON.stringify(settings));
		assert.match(process.stderr, reason);
		assert.ok(process.stderr.trim().split('\n').length <= 2, process.stderr);
		assert.doesNotMatch(process.stderr, /PRIVATE/);
	}
	// -t looks at no files.
	const check = new Process(SYNCDOCD, ['-t', '-o', 'tls.cert=/nowhere/a', '-o', 'tls.key=/nowhere/b']);
	assert.equal((await check.waitForExit(DEADLINE_MS)).code, 0);
});
