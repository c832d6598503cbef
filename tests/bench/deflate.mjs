// deflate.mjs: what permessage-deflate costs and saves, against the same run without it (issue 3, "It must show" 6).
//
//     SYNCDOC_BUILD=build-release node tests/bench/deflate.mjs [subscribers [events [idle connections]]]
//
// subscribers 0: only the memory. Bytes on the wire and CPU of all syncdocd processes for `subscribers` (1000) of a 4 KiB event, one event after the other (each
// has reached everybody before the next is written) and in a burst; then the memory that `idle connections` (10000) take.
// The clients are sockets that count bytes: inflating is the clients' affair. Needs a release build to mean anything.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

process.env.SYNCDOC_BUILD = path.resolve(process.env.SYNCDOC_BUILD ?? 'build-release');
const here = path.dirname(new URL(import.meta.url).pathname);
const { Daemon, Redis, frame, handshake, until } = await import(pathToFileURL(path.join(here, '../e2e/harness.js')));

const [subscribers = 1000, events = 300, idle = 10000] = process.argv.slice(2).map(Number);
const WARM = 1000; // connections before memory is measured
const PINGS = 100; // bytes that pings and shorter positions may make between two subscribers
const TICKS_PER_S = 100;
const WAIT_MS = 60000;

function dataOf(bytes, salt) {
	const data = { salt };
	for (let i = 0; JSON.stringify(data).length < bytes; i++)
		data[`member${i}`] = { state: ['open', 'held', 'closed'][i % 3], at: 1700000000000 + i * 7919 + salt, by: `user-${i % 9}` };
	return data;
}

const processes = daemon => [daemon.pid, ...daemon.workers().map(child => child.pid)];

function cpuSeconds(daemon) {
	let ticks = 0;
	for (const pid of processes(daemon)) {
		const fields = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
		ticks += Number(fields[11]) + Number(fields[12]);
	}
	return ticks / TICKS_PER_S;
}

function privateBytes(daemon) {
	let kilobytes = 0;
	for (const pid of processes(daemon)) {
		const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
		kilobytes += Number(/Private_Dirty: +(\d+)/.exec(text)[1]);
	}
	return kilobytes * 1024;
}

class Counter {
	constructor(port, localAddress, deflate, first) {
		this.bytes = 0;
		this.text = '';
		this.socket = net.connect({ port, host: '127.0.0.1', localAddress });
		this.socket.on('error', error => {
			throw error;
		});
		this.socket.on('data', data => {
			this.bytes += data.length;
			if (!this.ready) {
				this.text += data.toString('latin1');
				this.ready = this.text.includes(first.answer);
				if (this.ready) this.text = '';
			}
		});
		const headers = deflate ? { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' } : {};
		this.socket.write(Buffer.concat([Buffer.from(handshake(port, headers)), first.frame]));
	}
}

const SUBSCRIBE = { frame: frame(1, '{"type":"subscribe","topic":"sync.bench.*"}'), answer: '"subscribed"' };

async function connectMany(daemon, count, deflate) {
	const sockets = [];
	while (sockets.length < count) {
		const some = [];
		for (let i = 0; i < 250 && sockets.length + some.length < count; i++)
			some.push(new Counter(daemon.port, `127.0.0.${2 + (sockets.length >> 13)}`, deflate, SUBSCRIBE));
		await until(() => some.every(socket => socket.ready), WAIT_MS, 'subscribers');
		sockets.push(...some);
	}
	return sockets;
}

async function start() {
	const redis = await Redis.start();
	const settings = { workers: 1, 'limits.per_address': 0, 'limits.connections': 0, 'ws.queue': '8MiB', 'ws.ping_interval': 600 };
	const daemon = await Daemon.start({ redis, settings: { ...settings, 'ring.size': '16MiB', 'ws.queue_total': '8GiB' } });
	return { redis, daemon };
}

async function stop({ redis, daemon }, sockets) {
	for (const socket of sockets) socket.socket.destroy();
	await daemon.stop({ code: null });
	await redis.stop();
}

const total = sockets => sockets.reduce((sum, socket) => sum + socket.bytes, 0);

// Everybody has as many bytes as the first one: the events are the same for all.
async function settled(sockets) {
	let before = -1;
	await until(
		() => {
			const now = sockets[0].bytes;
			const done = now === before && now > sockets[0].base && sockets.every(socket => Math.abs(socket.bytes - socket.base - (now - sockets[0].base)) < PINGS);
			before = now;
			return done;
		},
		WAIT_MS,
		() => `all events at all subscribers; bytes came: ${[...new Set(sockets.map(socket => socket.bytes - socket.base))]}`,
	);
}

async function measureFanout(deflate, burst) {
	const host = await start();
	const sockets = await connectMany(host.daemon, subscribers, deflate);
	const put = salt => host.daemon.rest.put('/v1/services/bench/documents/d', { data: dataOf(4096, salt) });
	for (const socket of sockets) socket.base = socket.bytes;
	await put(0);
	await settled(sockets);
	for (const socket of sockets) socket.base = socket.bytes;
	const bytes = total(sockets),
		cpu = cpuSeconds(host.daemon),
		began = Date.now();
	for (let i = 1; i <= events; i++) {
		const before = sockets.map(socket => socket.bytes);
		const answer = await put(i);
		if (answer.status !== 200) throw new Error(answer.text);
		if (!burst) await until(() => sockets.every((socket, at) => socket.bytes > before[at]), WAIT_MS, 'event');
	}
	await settled(sockets);
	const deliveries = events * subscribers;
	const result = {
		bytesPerDelivery: (total(sockets) - bytes) / deliveries,
		cpuUsPerDelivery: ((cpuSeconds(host.daemon) - cpu) * 1e6) / deliveries,
		seconds: (Date.now() - began) / 1000,
	};
	await stop(host, sockets);
	return result;
}

// What is there once (zlib's one state of a worker, with the first event that is compressed) apart from what each costs.
async function measureIdle(deflate) {
	const host = await start();
	// The heap that HTTP needs for so many handshakes at once is there then, and is no connection's.
	const warm = await connectMany(host.daemon, WARM, false);
	const before = privateBytes(host.daemon);
	const first = await connectMany(host.daemon, 1, deflate);
	const { bytes } = first[0];
	await host.daemon.rest.put('/v1/services/bench/documents/d', { data: dataOf(4096, 0) });
	await until(() => [...warm, ...first].every(one => one.bytes > bytes), WAIT_MS, 'event');
	const fixedBytes = privateBytes(host.daemon) - before;
	const sockets = await connectMany(host.daemon, idle, deflate);
	const grown = privateBytes(host.daemon) - before - fixedBytes;
	await stop(host, [...warm, ...first, ...sockets]);
	return { connections: idle, fixedBytes, grownBytes: grown, bytesPerConnection: grown / idle };
}

function report(name, plain, deflate) {
	console.log(name);
	for (const key of Object.keys(plain)) {
		const ratio = deflate[key] / plain[key];
		console.log(`  ${key.padEnd(20)} plain ${plain[key].toFixed(2)}  deflate ${deflate[key].toFixed(2)}  ratio ${ratio.toFixed(3)}`);
	}
}

for (const burst of subscribers ? [false, true] : [])
	report(
		`${subscribers} subscribers, ${events} events of 4 KiB, ${burst ? 'writes back to back' : 'one after the other'}`,
		await measureFanout(false, burst),
		await measureFanout(true, burst),
	);
report(`${idle} idle subscribed connections`, await measureIdle(false), await measureIdle(true));
