#!/usr/bin/env node
// checker.mjs: 8 writers, 64 documents, a subscriber for each: is every acknowledged write delivered exactly once and in order, and
// do the documents say what the acknowledged writes say?
//
//   node checker.mjs [seconds] [--seed N] [--url http://127.0.0.1:8080]
//
// Without --url it starts a redis-server and a syncdocd of its own. Ends with one line and 0, or with what is wrong and 1.
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import {
	DEADLINE_MS,
	Rest,
	WebSocketClient,
	applyDiff,
	collectionPath,
	documentPath,
	randomOf,
	startPair,
	until,
} from './harness.js';

const WRITERS = 8,
	DOCUMENTS = 64,
	MODES = ['full', 'diff', 'both'],
	NAMES = ['a', 'b', 'c', 'dot.ted', 'back\\slash', ''];
const MERGE_PATCH = 'application/merge-patch+json',
	JSON_PATCH = 'application/json-patch+json';
const SHOWN_MAX = 20,
	WRITES_MIN = 100;

const clone = value => JSON.parse(JSON.stringify(value));

/* ---- what is written ---- */

function randomValue(random, depth = 0) {
	switch (random.below(depth < 2 ? 7 : 5)) {
		case 0:
			return random.below(1000);
		case 1:
			return random.below(1000) / 8;
		case 2:
			return random.pick(['', 'text', 'é€😀', '"\\/']);
		case 3:
			return random.pick([true, false]);
		case 4:
			return Array.from({ length: random.below(4) }, () => random.below(10));
		case 5:
			return Array.from({ length: random.below(3) }, () => randomValue(random, depth + 1));
		default:
			return randomObject(random, depth + 1);
	}
}

function randomObject(random, depth = 0) {
	const object = {};
	for (let i = random.below(4); i > 0; i--) object[random.pick(NAMES)] = randomValue(random, depth);
	return object;
}

const pointer = name => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;

function randomPatch(random) {
	return Array.from({ length: 1 + random.below(3) }, () => {
		const path = pointer(random.pick(NAMES));
		return random.below(4)
			? { op: 'add', path, value: randomValue(random) }
			: { op: random.pick(['remove', 'replace']), path, value: randomValue(random) };
	});
}

// A write: how it is asked for, and what it makes of the document's data. Refusals are fine; what is accepted must be right.
function randomWrite(random, service, id, known) {
	const path = documentPath(service, id),
		data = randomObject(random),
		merge = { ...data, [random.pick(NAMES)]: null },
		operations = randomPatch(random);
	const writes = [
		[4, rest => rest.put(path, { data }), () => data],
		[2, rest => rest.put(path, { data, expectedRevision: known }), () => data],
		[5, rest => rest.patch(path, merge, MERGE_PATCH), old => applyMerge(old, merge)],
		[2, rest => rest.patch(path, { data: merge }), old => applyMerge(old, merge)],
		[5, rest => rest.patch(path, operations, JSON_PATCH), old => applyPatch(old, operations)],
		[1, rest => rest.delete(path), old => old],
		[1, rest => rest.post(collectionPath(service), { id, data }), () => data],
	];
	let at = random.below(writes.reduce((sum, [weight]) => sum + weight, 0));
	const [, send, apply] = writes.find(([weight]) => (at -= weight) < 0);
	return { send, apply };
}

/* ---- what it means, without a look at the server's code ---- */

function applyMerge(target, patch) {
	if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
	const result = target !== null && typeof target === 'object' && !Array.isArray(target) ? { ...target } : {};
	for (const [name, value] of Object.entries(patch)) {
		if (value === null) delete result[name];
		else result[name] = applyMerge(result[name], value);
	}
	return result;
}

function applyPatch(target, operations) {
	const result = clone(target);
	for (const { op, path, value } of operations) {
		const name = path.slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
		if (op !== 'add' && !Object.hasOwn(result, name)) throw new Error(`accepted, but ${path} is not there`);
		if (op === 'remove') delete result[name];
		else result[name] = value;
	}
	return result;
}

/* ---- the run ---- */

export class Run {
	constructor(url, seed, seconds) {
		this.url = url;
		this.seed = seed;
		this.seconds = seconds;
		this.service = `check-${seed}-${Date.now().toString(36)}`;
		this.faults = [];
		this.refused = 0;
		this.documents = Array.from({ length: DOCUMENTS }, (_, i) => ({
			id: `doc-${i}`,
			mode: MODES[i % 3],
			acknowledged: [],
			known: 0,
		}));
	}

	fault(text) {
		this.faults.push(text);
	}

	async subscribe() {
		const address = `${this.url.replace(/^http/, 'ws')}/v1/realtime`;
		await Promise.all(
			this.documents.map(async document => {
				document.socket = await WebSocketClient.connect(address);
				await document.socket.subscribe({
					topic: `sync.${this.service}.*`,
					documentId: document.id,
					returnMode: document.mode,
				});
				document.socket.unread = { push() {} }; // all is in messages; nobody waits for single ones
			}),
		);
	}

	async write(random, rest) {
		const document = random.pick(this.documents),
			{ send, apply } = randomWrite(random, this.service, document.id, document.known);
		const answer = await send(rest);
		if (answer.status === 200 || answer.status === 201) {
			document.acknowledged.push({ envelope: answer.json, apply });
			document.known = Math.max(document.known, answer.json.revision);
		} else if ([404, 409, 410].includes(answer.status)) {
			this.refused++;
		} else {
			this.fault(`${document.id}: status ${answer.status}: ${answer.text}`);
		}
	}

	async writeAll() {
		// Longer where the machine is slow: a few writes show nothing.
		const end = Date.now() + this.seconds * 1000, last = end + DEADLINE_MS;
		const isOver = () => Date.now() >= last || (Date.now() >= end && this.documents.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0) > WRITES_MIN);
		await Promise.all(
			Array.from({ length: WRITERS }, async (_, writer) => {
				const random = randomOf(this.seed * WRITERS + writer),
					rest = new Rest(this.url, { maxSockets: 1 });
				try {
					while (!isOver() && this.faults.length < SHOWN_MAX) await this.write(random, rest);
				} catch (error) {
					this.fault(`writer ${writer}: ${error.message}`);
				}
				rest.close();
			}),
		);
	}

	async settle() {
		const lags = () =>
			this.documents.filter(
				({ socket, acknowledged }) =>
					socket.messages.filter(message => message.type === 'event').length < acknowledged.length,
			);
		try {
			await until(() => !lags().length);
		} catch {
			this.fault(`after ${DEADLINE_MS} ms events are missing on ${lags().map(document => document.id)}`);
		}
		// Once more than what was waited for: an event that comes twice would come after it.
		await Promise.all(
			this.documents.map(async ({ socket }) => {
				socket.send({ type: 'ping', id: 'last' });
				await until(() => socket.end || socket.messages.some(message => message.id === 'last'));
			}),
		);
	}

	checkWrites({ id, acknowledged }) {
		acknowledged.sort((a, b) => a.envelope.revision - b.envelope.revision);
		let data = {},
			former;
		for (const [i, { envelope, apply }] of acknowledged.entries()) {
			const where = `${id} revision ${envelope.revision}`;
			if (envelope.revision !== i + 1) return this.fault(`${where}: ${i} acknowledged writes are before it`);
			if (former && (envelope.updatedAt <= former.updatedAt || envelope.createdAt !== former.createdAt))
				this.fault(
					`${where}: its times ${envelope.updatedAt}, ${envelope.createdAt} do not follow ${former.updatedAt}, ${former.createdAt}`,
				);
			data = apply(data);
			if (!isDeepStrictEqual(envelope.data, data))
				return this.fault(
					`${where}: answered ${JSON.stringify(envelope.data)}, replayed ${JSON.stringify(data)}`,
				);
			former = envelope;
		}
		return undefined;
	}

	checkEvents({ id, mode, socket, acknowledged }) {
		const events = socket.messages.filter(message => message.type === 'event');
		if (socket.end || socket.messages.some(message => ['resync', 'error', 'goaway'].includes(message.type)))
			this.fault(
				`${id}: the subscriber got ${JSON.stringify(socket.end)} ${socket.messages.filter(one => one.type !== 'event').map(one => one.text)}`,
			);
		let held = {};
		for (const [i, { payload, timestamp, topic }] of events.entries()) {
			const where = `${id} event ${i} (${topic}, revision ${payload.revision})`,
				envelope = acknowledged[i]?.envelope;
			if (!envelope || payload.revision !== envelope.revision || timestamp !== envelope.updatedAt)
				return this.fault(`${where}: not the acknowledged write ${JSON.stringify(envelope)?.slice(0, 100)}`);
			if (mode !== 'diff' && !isDeepStrictEqual(payload.data, envelope.data))
				return this.fault(`${where}: its data is not the acknowledged one`);
			if (mode !== 'full') {
				held = applyDiff(held, payload.diff);
				if (!isDeepStrictEqual(held, envelope.data))
					return this.fault(
						`${where}: its diff leads to ${JSON.stringify(held)}, not ${JSON.stringify(envelope.data)}`,
					);
			}
			if (Boolean(payload.deleted) !== Boolean(envelope.deleted))
				return this.fault(`${where}: deleted is ${payload.deleted}`);
		}
		if (events.length !== acknowledged.length)
			this.fault(`${id}: ${events.length} events for ${acknowledged.length} acknowledged writes`);
		return undefined;
	}

	async checkFinal(rest, { id, acknowledged }) {
		const answer = await rest.get(`${documentPath(this.service, id)}?deleted=true`);
		const last = acknowledged.at(-1)?.envelope;
		if (last ? !isDeepStrictEqual(answer.json, last) : answer.status !== 404)
			this.fault(`${id}: at the end ${answer.text}, acknowledged ${JSON.stringify(last)}`);
	}

	async check() {
		const rest = new Rest(this.url);
		for (const document of this.documents) {
			const steps = [
				() => this.checkWrites(document),
				() => this.checkEvents(document),
				() => this.checkFinal(rest, document),
			];
			for (const step of steps) {
				try {
					await step();
				} catch (error) {
					this.fault(`${document.id}: ${error.message}`);
				}
			}
			document.socket.close();
		}
		rest.close();
	}

	async run() {
		await this.subscribe();
		await this.writeAll();
		await this.settle();
		await this.check();
		const writes = this.documents.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
		const events = this.documents.reduce(
			(sum, { socket }) => sum + socket.messages.filter(message => message.type === 'event').length,
			0,
		);
		return { writes, events, refused: this.refused, faults: this.faults };
	}
}

export async function check({ seconds, seed, url }) {
	const pair = url ? null : await startPair({ settings: { workers: 2 } });
	try {
		const result = await new Run(url ?? pair.daemon.url, seed, seconds).run();
		result.line =
			`checker: seed ${seed} writers ${WRITERS} documents ${DOCUMENTS} seconds ${seconds} writes ${result.writes} refused ${result.refused} ` +
			`events ${result.events} ${result.faults.length ? `FAULTS ${result.faults.length}` : 'ok'}`;
		return result;
	} finally {
		await pair?.stop();
	}
}

function parseArguments(words) {
	const options = { seconds: 30, seed: Date.now() % 1e9, url: undefined };
	for (let i = 0; i < words.length; i++) {
		if (words[i] === '--seed') options.seed = Number(words[++i]);
		else if (words[i] === '--url') options.url = words[++i].replace(/\/$/, '');
		else options.seconds = Number(words[i]);
	}
	if (!(options.seconds > 0) || !Number.isSafeInteger(options.seed))
		throw new Error('usage: checker.mjs [seconds] [--seed N] [--url http://127.0.0.1:8080]');
	return options;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
	try {
		const options = parseArguments(process.argv.slice(2));
		const { line, faults, writes } = await check(options);
		for (const fault of faults.slice(0, SHOWN_MAX)) console.error(`checker: ${fault}`);
		console.log(line);
		process.exit(faults.length || !writes ? 1 : 0);
	} catch (error) {
		console.error(`checker: ${error.stack}`);
		process.exit(1);
	}
}
