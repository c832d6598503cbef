#!/usr/bin/env node
// hostile.mjs: clients that mean ill, and clients that must not notice. What issue 5 must show, in its full size:
//
//   SYNCDOC_BUILD=…/build-release node tests/bench/hostile.mjs [--half-open 2000] [--connections 10000] [--big-messages 2000]
//       [--bombs 2000] [--tricks 4000] [--slow-readers 50] [--per-address 1000] [--seconds 15]
//
// Subscribers get 50 events a second all the while, somebody reads, and somebody comes anew again and again; the attacks run one
// after the other, in a process of their own and from other addresses of 127.0.0.0/8. Prints latencies without and during each,
// what the attackers saw, and the counters; ends with 1 where a served client missed something or a counter stood still.
// Needs as many descriptors a process as there are connections, and some (ulimit -n).
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Rest, bearer, collectionPath, documentPath, scrape, secret, startPair, token, turn, until, within, writeFile } from '../e2e/harness.js';

const SERVICE = 'served',
	WORKERS = 2,
	SUBSCRIBERS = 20,
	WRITES_PER_SECOND = 50,
	READ_EVERY_MS = 20,
	COME_EVERY_MS = 100,
	LARGE_DOCUMENTS = 80; // of 60 KB: a list of them is 4 MiB
const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'hostile_attack.mjs');

const DEFAULTS = {
	halfOpen: 2000,
	connections: 10000,
	bigMessages: 2000,
	bombs: 2000,
	tricks: 4000,
	slowReaders: 50,
	perAddress: 1000,
	seconds: 15,
	requestTimeout: 5,
};

function percentile(values, part) {
	const sorted = Float64Array.from(values).sort();
	return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] : NaN;
}

/* ---- who is served ---- */

class Served {
	constructor(daemon, rest, headers) {
		Object.assign(this, { daemon, rest, headers, faults: [], revision: 0, written: 0, delivered: 0 });
		this.reset();
	}

	reset() {
		this.latencies = { event: [], read: [], come: [] };
	}

	async start() {
		await this.rest.put(documentPath(SERVICE, 'd'), { data: {} }, this.headers);
		this.first = 2;
		this.clients = await Promise.all(
			Array.from({ length: SUBSCRIBERS }, () => this.daemon.connect({ headers: this.headers })),
		);
		for (const client of this.clients) {
			let last = 1;
			await client.subscribe({ topic: `sync.${SERVICE}.updated`, documentId: 'd' });
			client.socket.on('message', text => {
				const { type, payload } = JSON.parse(text);
				client.messages.length = client.unread.length = 0;
				if (type !== 'event') return this.faults.push(`a subscriber got ${type}: ${String(text).slice(0, 200)}`);
				if (payload.revision !== ++last) this.faults.push(`revision ${payload.revision} where ${last} was due`);
				this.delivered++;
				this.latencies.event.push(performance.now() - payload.data.at);
			});
			client.socket.on('close', code => this.running && this.faults.push(`a subscriber was closed: ${code}`));
		}
		this.running = true;
		this.loops = [this.#write(), this.#read(), this.#come()];
	}

	async #repeat(everyMs, kind, one) {
		for (let next = performance.now(); this.running; next += everyMs) {
			while (performance.now() < next && this.running) await turn(1);
			const start = performance.now();
			next = Math.max(next, start - 1000);
			try {
				const status = await one();
				if (status >= 400) this.faults.push(`${kind}: ${status}`);
			} catch (error) {
				this.faults.push(`${kind}: ${error.message} ${error.code ?? ''}`);
			}
			this.latencies[kind]?.push(performance.now() - start);
		}
	}

	#write() {
		return this.#repeat(1000 / WRITES_PER_SECOND, 'write', async () => {
			const data = { at: performance.now(), n: this.written };
			const { status } = await this.rest.put(documentPath(SERVICE, 'd'), { data }, this.headers);
			this.written++;
			return status;
		});
	}

	#read() {
		return this.#repeat(READ_EVERY_MS, 'read', async () => (await this.rest.get(documentPath(SERVICE, 'd'), this.headers)).status);
	}

	// A new connection each time.
	#come() {
		return this.#repeat(COME_EVERY_MS, 'come', async () => {
			const rest = new Rest(this.daemon.url, { keepAlive: false });
			try {
				return (await rest.get('/livez')).status;
			} finally {
				rest.close();
			}
		});
	}

	async stop() {
		this.running = false;
		await Promise.all(this.loops);
		await until(() => this.delivered === this.written * SUBSCRIBERS, undefined, () => `${this.delivered} of ${this.written * SUBSCRIBERS} events`).catch(
			error => this.faults.push(error.message),
		);
		for (const client of this.clients) client.close();
	}

	figures() {
		const shown = {};
		for (const [kind, values] of Object.entries(this.latencies)) {
			shown[`${kind}_p50_ms`] = percentile(values, 0.5);
			shown[`${kind}_p99_ms`] = percentile(values, 0.99);
		}
		shown.events = this.latencies.event.length;
		return shown;
	}
}

/* ---- the attacks ---- */

async function attack(options) {
	const child = fork(script, [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
	let result;
	child.on('message', message => {
		result = message;
	});
	try {
		const code = await within(new Promise(resolve => child.on('exit', resolve)), 300000, `end of ${options.name}`);
		assert.ok(code === 0 && result, `${options.name} ended with ${code}`);
	} finally {
		child.kill('SIGKILL');
	}
	return result;
}

const plans = options => {
	const { seconds } = options;
	return [
		[{ name: 'slowloris', count: options.halfOpen, seconds, requestTimeout: options.requestTimeout }, ['http_connections_silent', 'requests_timed_out']],
		[{ name: 'flood', count: options.connections, seconds: Math.min(seconds, 5), heldMax: options.perAddress * WORKERS }, ['connections_refused_address', 'http_connections_refused']],
		[{ name: 'bigMessages', count: options.bigMessages }, ['messages_too_big']],
		[{ name: 'headerBombs', count: options.bombs }, ['http_connections_broken']],
		[{ name: 'pathTricks', count: options.tricks }, ['requests_4xx']],
		[{ name: 'slowReaders', count: options.slowReaders, seconds: 32, path: `${collectionPath('large')}?data=true&page_size=1000` }, ['answers_cut_slow']],
	].filter(([plan]) => plan.count > 0);
};

// What the attackers must have seen.
function judge({ name, count, heldMax }, seen, moved, options) {
	let held;
	const refusals = Object.keys(seen).filter(status => !/^(closed|tricks|40[0-9]|41[34]|421|431)$/.test(status));
	switch (name) {
		case 'slowloris':
			return seen.most >= count * 0.9 && seen.thrown > 0 ? [] : ['not half-open, or never thrown out'];
		case 'flood':
			// By the server's count. Those that are silent end after limits.request_timeout, and make room for others.
			held = count - moved.connections_refused_address;
			return held <= heldMax * (1 + Math.floor(seen.took / 1000 / options.requestTimeout)) && held > 0 ? [] : [`${held} connections of one address`];
		case 'bigMessages':
			return seen[1009] === count ? [] : [`messages: ${JSON.stringify(seen)}`];
		case 'slowReaders':
			return seen.cut === count ? [] : [`${seen.cut} of ${count} cut`];
		default:
			return refusals.map(status => `${name}: ${status}`);
	}
}

/* ---- the run ---- */

// Resolves to {faults, phases}; `faults` must be empty.
export async function runHostile(given = {}) {
	const options = { ...DEFAULTS, ...given };
	const key = secret();
	const directory = fs.mkdtempSync('/tmp/syncdoc-hostile-');
	const pair = await startPair({
		settings: {
			workers: WORKERS,
			'limits.per_address': options.perAddress,
			'limits.request_timeout': options.requestTimeout,
			'auth.mode': 'jwt',
			'auth.algorithm': 'HS256',
			'auth.key': writeFile(path.join(directory, 'key'), key),
		},
	});
	try {
		const { daemon, rest } = pair;
		const headers = bearer(token({ '*': 'rwpa' }, key, { claims: { exp: Math.floor(Date.now() / 1000) + 3600 } }));
		const pids = daemon.workers().map(worker => worker.pid);
		if (options.slowReaders)
			for (let i = 0; i < LARGE_DOCUMENTS; i++)
				await rest.put(documentPath('large', `d${i}`), { data: { text: 'x'.repeat(60000) } }, headers);
		const served = new Served(daemon, rest, headers);
		await served.start();
		await turn(Math.min(options.seconds, 5) * 1000);
		const phases = [{ name: 'nothing', seen: {}, counters: {}, ...served.figures() }];
		for (const [plan, counters] of plans(options)) {
			const before = await scrape(rest);
			served.reset();
			const seen = await attack({ port: daemon.port, headers, ...plan });
			const figures = served.figures();
			const moved = {};
			// A counter is scraped from shared memory; the last refusal may be a moment behind what its client saw.
			await until(async () => {
				const now = await scrape(rest);
				for (const name of counters) moved[name] = now.value(`syncdoc_${name}_total`) - before.value(`syncdoc_${name}_total`);
				return counters.every(name => moved[name] > 0);
			}).catch(() => served.faults.push(`${plan.name}: a counter stood still: ${JSON.stringify(moved)}`));
			served.faults.push(...judge(plan, seen, moved, options));
			phases.push({ name: plan.name, seen, counters: moved, ...figures });
		}
		await served.stop();
		if (daemon.workers().map(worker => worker.pid).join() !== pids.join()) served.faults.push('a worker has died');
		return { faults: served.faults, phases, written: served.written, delivered: served.delivered };
	} finally {
		await pair.stop();
		fs.rmSync(directory, { recursive: true });
	}
}

async function main() {
	const options = { ...DEFAULTS };
	for (let i = 2; i + 1 < process.argv.length; i += 2) {
		const name = process.argv[i].replace(/^--/, '').replace(/-(.)/g, (_, letter) => letter.toUpperCase()),
			value = Number(process.argv[i + 1]);
		assert.ok(name in options && value >= 0, `unknown: ${process.argv[i]} ${process.argv[i + 1]}`);
		options[name] = value;
	}
	const { faults, phases, written, delivered } = await runHostile(options);
	for (const { name, seen, counters, ...figures } of phases) {
		const shown = Object.entries(figures).map(([key, value]) => `${key}=${Number(value.toFixed(1))}`);
		console.log(`${name}: ${shown.join(' ')}\n    attackers saw ${JSON.stringify(seen)}; counters ${JSON.stringify(counters)}`);
	}
	console.log(`writes=${written} events=${delivered} faults=${faults.length}`);
	for (const fault of faults.slice(0, 20)) console.log(`  ${fault}`);
	process.exit(faults.length ? 1 : 0);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main();
