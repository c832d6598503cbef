// tls.mjs: what TLS costs the server, against the same run without it: processor time of a delivery over a WebSocket, and the memory
// and descriptors of an idle one (issue 5).
//
//     SYNCDOC_BUILD=build-release node tests/bench/tls.mjs [subscribers [events [bytes [idle connections]]]]
//
// `events` (300) of `bytes` (1000) to `subscribers` (500), one after the other: each has reached everybody before the next is written;
// then back to back, where the server joins them. Then requests on connections that stay, and what `idle connections` (2000) take,
// and handshakes: all anew, and all resumed. subscribers 0: only that. The clients are sockets that count bytes. Needs a release build, and openssl, to mean anything.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { pathToFileURL } from 'node:url';

process.env.SYNCDOC_BUILD = path.resolve(process.env.SYNCDOC_BUILD ?? 'build-release');
const here = path.dirname(new URL(import.meta.url).pathname);
const { Daemon, Redis, Rest, frame, handshake, until } = await import(pathToFileURL(path.join(here, '../e2e/harness.js')));

const [subscribers = 500, events = 300, bytes = 1000, idle = 2000] = process.argv.slice(2).map(Number);
const WARM = 500; // connections before memory is measured
const AT_ONCE = 50; // handshakes
const IN_FLIGHT = 20; // requests, each on a connection of its own
const REQUESTS = 8000;
const TICKS_PER_S = 100;
const WAIT_MS = 60000;

/* ---- the server ---- */

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'syncdoc-bench-'));
const place = name => path.join(directory, name);

function makeCertificate() {
	execFileSync('openssl', [
		...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
		...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', place('key'), '-out', place('cert')],
	], { stdio: 'ignore' });
	fs.chmodSync(place('key'), 0o600);
}

async function start(secure) {
	const redis = await Redis.start();
	const settings = { workers: 1, 'limits.per_address': 0, 'limits.connections': 0, 'ws.ping_interval': 600, 'ring.size': '16MiB' };
	if (secure) Object.assign(settings, { 'tls.cert': place('cert'), 'tls.key': place('key') });
	const daemon = await Daemon.start({ redis, settings: { ...settings, 'ws.queue': '8MiB' }, socket: true, wait: false });
	const rest = new Rest(daemon.url, { socketPath: daemon.socket });
	await until(async () => (await rest.get('/readyz').catch(() => null))?.status === 200, WAIT_MS, 'ready');
	return { redis, daemon, rest, secure };
}

async function stop({ redis, daemon, rest }, clients) {
	for (const client of clients) client.socket.destroy();
	rest.close();
	await daemon.stop({ code: null });
	await redis.stop();
}

const worker = ({ daemon }) => daemon.workers()[0].pid;

function cpuSeconds(host) {
	const fields = fs.readFileSync(`/proc/${worker(host)}/stat`, 'latin1').split(') ')[1].split(' ');
	return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

function privateBytes(host) {
	const text = fs.readFileSync(`/proc/${worker(host)}/smaps_rollup`, 'latin1');
	return Number(/Private_Dirty: +(\d+)/.exec(text)[1]) * 1024;
}

const descriptors = host => fs.readdirSync(`/proc/${worker(host)}/fd`).length;

/* ---- clients ---- */

const SUBSCRIBE = frame(1, '{"type":"subscribe","topic":"sync.bench.*"}');

class Client {
	constructor({ daemon, secure }, session) {
		this.bytes = 0;
		this.text = '';
		const address = { port: daemon.port, host: '127.0.0.1' };
		this.socket = secure ? tls.connect({ ...address, rejectUnauthorized: false, session }) : net.connect(address);
		this.socket.on('error', error => {
			throw error;
		});
		if (secure) this.socket.on('session', ticket => (this.session = ticket));
		this.socket.on('data', data => {
			this.bytes += data.length;
			if (this.ready) return;
			this.text += data.toString('latin1');
			this.ready = this.text.includes('"subscribed"');
		});
		this.socket.write(Buffer.concat([Buffer.from(handshake(daemon.port)), SUBSCRIBE]));
	}
}

class SecureRest extends Rest {
	constructor(port) {
		super(`http://127.0.0.1:${port}`);
		this.http = https;
		this.agent = new https.Agent({ keepAlive: true, maxSockets: IN_FLIGHT, rejectUnauthorized: false });
	}
}

async function connectMany(host, count, session) {
	const clients = [];
	while (clients.length < count) {
		const some = Array.from({ length: Math.min(AT_ONCE, count - clients.length) }, () => new Client(host, session));
		await until(() => some.every(client => client.ready), WAIT_MS, 'subscribers');
		clients.push(...some);
	}
	return clients;
}

/* ---- figures ---- */

async function measureFanout(secure, burst) {
	const host = await start(secure);
	const clients = await connectMany(host, subscribers);
	const all = count => until(() => clients.every(client => client.bytes - client.base >= count * bytes), WAIT_MS, 'events');
	const put = n => host.rest.put('/v1/services/bench/documents/d', { data: { n, text: 'x'.repeat(bytes - 250) } });
	for (const client of clients) client.base = client.bytes;
	await put(0);
	await all(0.9);
	for (const client of clients) client.base = client.bytes;
	const before = clients[0].bytes,
		cpu = cpuSeconds(host);
	for (let i = 1; i <= events; i++) {
		const answer = await put(i);
		if (answer.status !== 200) throw new Error(answer.text);
		if (!burst) await all(i * 0.9);
	}
	await all(events * 0.9);
	const size = (clients[0].bytes - before) / events;
	const us = ((cpuSeconds(host) - cpu) * 1e6) / (events * subscribers);
	await stop(host, clients);
	return { 'bytes of an event': size, 'cpu µs a delivery': us };
}

async function measureRequests(secure) {
	const host = await start(secure);
	const rest = secure ? new SecureRest(host.daemon.port) : new Rest(host.daemon.url, { maxSockets: IN_FLIGHT });
	const figures = {};
	await host.rest.put('/v1/services/bench/documents/d', { data: { text: 'x'.repeat(bytes) } });
	for (const [name, ask] of [
		['cpu µs a GET', () => rest.get('/v1/services/bench/documents/d')],
		['cpu µs a PUT', i => rest.put(`/v1/services/bench/documents/d${i % IN_FLIGHT}`, { data: { text: 'x'.repeat(bytes) } })],
	]) {
		const many = async (from, count) => {
			let next = from;
			const one = async () => {
				while (next < from + count) {
					const { status } = await ask(next++);
					if (status !== 200 && status !== 201) throw new Error(`${name}: ${status}`);
				}
			};
			await Promise.all(Array.from({ length: IN_FLIGHT }, one));
		};
		await many(0, REQUESTS / 4);
		const cpu = cpuSeconds(host);
		await many(REQUESTS, REQUESTS);
		figures[name] = ((cpuSeconds(host) - cpu) * 1e6) / REQUESTS;
	}
	rest.close();
	await stop(host, []);
	return figures;
}

async function measureIdle(secure) {
	const host = await start(secure);
	const warm = await connectMany(host, WARM);
	const memory = privateBytes(host),
		files = descriptors(host),
		cpu = cpuSeconds(host);
	const clients = await connectMany(host, idle);
	const figures = {
		'bytes a connection': (privateBytes(host) - memory) / idle,
		'descriptors a connection': (descriptors(host) - files) / idle,
		'cpu µs a handshake': ((cpuSeconds(host) - cpu) * 1e6) / idle,
	};
	if (secure) {
		await until(() => warm[0].session, WAIT_MS, 'a ticket');
		const began = cpuSeconds(host);
		warm.push(...(await connectMany(host, WARM, warm[0].session)));
		figures['cpu µs a resumed one'] = ((cpuSeconds(host) - began) * 1e6) / WARM;
	}
	await stop(host, [...warm, ...clients]);
	return figures;
}

function report(name, plain, secure) {
	console.log(name);
	for (const [key, value] of Object.entries(secure)) {
		const ratio = plain[key] ? `  ratio ${(value / plain[key]).toFixed(2)}` : '';
		console.log(`  ${key.padEnd(26)} plain ${plain[key]?.toFixed(2) ?? '–'}  tls ${value.toFixed(2)}${ratio}`);
	}
}

try {
	makeCertificate();
	for (const burst of subscribers ? [false, true] : [])
		report(
			`${subscribers} subscribers, ${events} events of ${bytes} bytes, ${burst ? 'back to back' : 'one after the other'}`,
			await measureFanout(false, burst),
			await measureFanout(true, burst),
		);
	report(`requests, ${bytes} bytes`, await measureRequests(false), await measureRequests(true));
	report(`${idle} idle subscribed connections`, await measureIdle(false), await measureIdle(true));
} finally {
	fs.rmSync(directory, { recursive: true, force: true });
}
