#!/usr/bin/env node
// slow.mjs: subscribers of which some stop reading while others must not notice: memory, latency, and what the stalled ones get
// when they read again. The full size of issue 3:
//
//   SYNCDOC_BUILD=…/build-release node tests/bench/slow.mjs [--subscribers 1000] [--stalled 200] [--rate 500] [--seconds 30] [--bytes 1000]
//
// Readers subscribe to one of 20 documents each, stalled ones to all of them, in turns with full, diff and both. A first run
// without stalled ones gives the latency to compare with. Prints its figures; ends with 1 when something was lost.
//
// At first the kernel's buffers take what is sent to the stalled ones, which is all documents each: five times the readers' traffic.
// What it costs that somebody is stalled shows in the second half, when these buffers are full.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';
import { CLOSE, PING, PONG, TEXT, childrenOf, documentPath, frame, handshake, openSocket, startPair, turn, until } from '../e2e/harness.js';

const DOCUMENTS = 20,
	SERVICE = 'slow',
	IN_FLIGHT_MAX = 64,
	DEADLINE_MS = 60000,
	MODES = ['full', 'diff', 'both'];

/* ---- subscribers ---- */

// Checks every event as it comes, and keeps none.
class Subscriber {
	constructor(port, subscription) {
		this.subscription = subscription;
		this.bytes = Buffer.alloc(0);
		this.last = new Map(); // documentId → revision; absent: any may come
		this.resynced = new Set();
		this.latencies = [];
		this.faults = [];
		this.events = this.joined = this.resyncs = 0;
		this.socket = openSocket(port);
		this.socket.on('error', () => {});
		this.socket.on('close', () => {
			this.ended = true;
		});
		this.socket.on('data', data => this.#take(data));
		this.socket.write(
			Buffer.concat([
				Buffer.from(handshake(port), 'latin1'),
				frame(TEXT, JSON.stringify({ type: 'subscribe', ...subscription })),
			]),
		);
	}

	#take(data) {
		this.bytes = this.bytes.length ? Buffer.concat([this.bytes, data]) : data;
		if (!this.head) {
			const end = this.bytes.indexOf('\r\n\r\n');
			if (end < 0) return;
			this.head = true;
			this.bytes = this.bytes.subarray(end + 4);
		}
		for (;;) {
			const { bytes } = this;
			if (bytes.length < 2) return;
			let length = bytes[1],
				at = 2;
			if (length === 126) {
				if (bytes.length < 4) return;
				length = bytes.readUInt16BE(2);
				at = 4;
			} else if (length === 127) {
				if (bytes.length < 10) return;
				length = Number(bytes.readBigUInt64BE(2));
				at = 10;
			}
			if (bytes.length < at + length) return;
			if ((bytes[0] & 15) === TEXT) this.#message(JSON.parse(bytes.toString('utf8', at, at + length)));
			else if ((bytes[0] & 15) === PING) this.socket.write(frame(PONG));
			else if ((bytes[0] & 15) === CLOSE) this.closeCode = bytes.readUInt16BE(at);
			this.bytes = bytes.subarray(at + length);
		}
	}

	#message(message) {
		if (message.type === 'subscribed') this.ready = true;
		else if (message.type === 'event') this.#event(message.payload);
		else if (message.type === 'resync') this.#resync(message);
	}

	#event({ documentId, revision, fromRevision, data }) {
		const last = this.last.get(documentId);
		this.events++;
		if (fromRevision !== undefined) this.joined++;
		if (last !== undefined && (revision <= last || (fromRevision ?? revision - 1) !== last))
			this.faults.push(`${documentId}: ${last}, then ${revision} from ${fromRevision}`);
		this.last.set(documentId, revision);
		if (data && this.measures) this.latencies.push(performance.now() - data.at);
	}

	#resync({ documentId, reason }) {
		if (reason !== 'slow' || !documentId) this.faults.push(`resync ${reason} ${documentId}`);
		this.resyncs++;
		this.resynced.add(documentId);
		this.last.delete(documentId);
	}

	// It has the newest revision of the document, or has been told to read it again.
	isUpToDate(documentId, revision) {
		return this.last.get(documentId) === revision || (this.resynced.has(documentId) && !this.last.has(documentId));
	}
}

async function subscribe(port, count, subscriptionOf) {
	const all = [];
	for (let i = 0; i < count; i++) {
		all.push(new Subscriber(port, subscriptionOf(i)));
		if (i % 50 === 49) await until(() => all.every(one => one.ready || one.ended), DEADLINE_MS, 'subscribed');
	}
	await until(() => all.every(one => one.ready), DEADLINE_MS, 'all are subscribed');
	return all;
}

/* ---- writes ---- */

const idOf = number => `d${number % DOCUMENTS}`;

async function write(rest, { rate, seconds, bytes }) {
	const pad = 'x'.repeat(bytes),
		start = performance.now(),
		total = rate * seconds,
		newest = new Map(),
		inFlight = new Set();
	for (let i = 0; i < total; i++) {
		while (performance.now() < start + (i * 1000) / rate) await turn(1);
		while (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
		const id = idOf(i);
		const one = rest.put(documentPath(SERVICE, id), { data: { at: performance.now(), pad, i } }).then(answer => {
			assert.ok(answer.status === 200 || answer.status === 201, answer.text);
			newest.set(id, Math.max(newest.get(id) ?? 0, answer.json.revision));
			inFlight.delete(one);
		});
		inFlight.add(one);
	}
	await Promise.all(inFlight);
	return { newest, total, seconds: (performance.now() - start) / 1000 };
}

/* ---- memory ---- */

// Bytes of its own: the ring's pages are shared, and there from the start.
function memoryOf(daemon) {
	const pids = [daemon.pid, ...daemon.workers().map(worker => worker.pid)];
	let bytes = 0;
	for (const pid of pids) {
		const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
		bytes += Number(/^RssAnon:\s+(\d+)/m.exec(status)[1]) * 1024;
	}
	return bytes;
}

function percentile(values, part) {
	const sorted = Float64Array.from(values).sort();
	return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] : NaN;
}

/* ---- the run ---- */

// Resolves to figures, of which `faults` must be empty.
export async function runSlow({ subscribers, stalled, rate, seconds, bytes = 1000, settings = {} }) {
	const pair = await startPair({
		settings: {
			workers: 2,
			'ws.stall_timeout': 120,
			'limits.per_address': 0,
			'ring.size': '64MiB',
			...settings,
		},
	});
	try {
		const { daemon, rest } = pair;
		for (let i = 0; i < DOCUMENTS; i++) await rest.put(documentPath(SERVICE, idOf(i)), { data: {} });
		const readers = await subscribe(daemon.port, subscribers - stalled, i => ({
			topic: `sync.${SERVICE}.*`,
			documentId: idOf(i),
		}));
		const sleepers = await subscribe(daemon.port, stalled, i => ({
			topic: `sync.${SERVICE}.*`,
			returnMode: MODES[i % MODES.length],
		}));
		await write(rest, { rate, seconds: 1, bytes }); // what is allocated once, is
		const isDone = one => one.events >= (rate * 1) / DOCUMENTS;
		await until(() => readers.every(isDone), DEADLINE_MS, 'the first second has come');
		for (const one of readers) one.measures = true;
		for (const one of sleepers) one.socket.pause();
		const before = memoryOf(daemon);
		let most = before;
		const look = setInterval(() => {
			most = Math.max(most, memoryOf(daemon));
		}, 200);
		const half = setTimeout(() => {
			for (const one of readers) one.firstHalf = one.latencies.length;
		}, seconds * 500);
		const { newest, total, seconds: took } = await write(rest, { rate, seconds, bytes });
		const hasAll = one => one.last.get(one.subscription.documentId) === newest.get(one.subscription.documentId);
		await until(() => readers.every(one => hasAll(one) || one.ended), DEADLINE_MS, 'the readers have everything');
		clearInterval(look);
		clearTimeout(half);
		const after = memoryOf(daemon);
		for (const one of sleepers) one.socket.resume();
		const wakes = one => one.ended || [...newest].every(([id, revision]) => one.isUpToDate(id, revision));
		await until(
			() => sleepers.every(wakes),
			DEADLINE_MS,
			() => `the stalled ones are up to date: ${sleepers.filter(wakes).length} of ${stalled}`,
		);
		const faults = [...readers, ...sleepers].flatMap(one => one.faults);
		for (const one of [...readers, ...sleepers]) if (one.ended) faults.push(`closed ${one.closeCode}`);
		for (const one of readers) if (one.joined || one.resyncs) faults.push('a reader was taken for a slow one');
		const latencies = readers.flatMap(one => one.latencies);
		const sum = (all, name) => all.reduce((total, one) => total + one[name], 0);
		const inMode = mode => sleepers.filter(one => one.subscription.returnMode === mode);
		const figures = {
			faults,
			writes: total,
			took,
			delivered: latencies.length,
			p50: percentile(latencies, 0.5),
			p99: percentile(latencies, 0.99),
			p99SecondHalf: percentile(
				readers.flatMap(one => one.latencies.slice(one.firstHalf)),
				0.99,
			),
			grownBytes: Math.max(most, after) - before,
			fullEvents: sum(inMode('full'), 'events'),
			fullJoined: sum(inMode('full'), 'joined'),
			fullResyncs: sum(inMode('full'), 'resyncs'),
			diffResyncs: sum(inMode('diff'), 'resyncs'),
			bothResyncs: sum(inMode('both'), 'resyncs'),
			workers: childrenOf(daemon.pid).length,
		};
		for (const one of [...readers, ...sleepers]) one.socket.destroy();
		return figures;
	} finally {
		await pair.stop();
	}
}

function print(name, figures) {
	const { faults, grownBytes, ...rest } = figures;
	const shown = Object.entries(rest).map(([key, value]) => `${key}=${Number(value.toFixed(3))}`);
	console.log(`${name}: ${shown.join(' ')} grown_mib=${(grownBytes / (1 << 20)).toFixed(1)} faults=${faults.length}`);
	for (const fault of faults.slice(0, 20)) console.log(`  ${fault}`);
}

async function main() {
	const options = { subscribers: 1000, stalled: 200, rate: 500, seconds: 30, bytes: 1000 };
	for (let i = 2; i + 1 < process.argv.length; i += 2) {
		const name = process.argv[i].replace(/^--/, ''),
			value = Number(process.argv[i + 1]);
		assert.ok(name in options && value >= 0, `unknown: ${process.argv[i]} ${process.argv[i + 1]}`);
		options[name] = value;
	}
	const { subscribers, stalled } = options;
	const alone = await runSlow({ ...options, subscribers: subscribers - stalled, stalled: 0 });
	print('without stalled', alone);
	const figures = await runSlow(options);
	print('with stalled   ', figures);
	const ratio = name => (figures[name] / alone[name]).toFixed(2);
	console.log(`p99 with / without: ${ratio('p99')}, in the second half ${ratio('p99SecondHalf')}`);
	process.exit(alone.faults.length + figures.faults.length ? 1 : 0);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main();
