// client_reconnect.test.js: one disturbance of a real server at a time, and what an application with the JavaScript client sees of it.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { OutcomeUnknownError } from '../../workers/web/client/realtime.js';
import { DEADLINE_MS, documentPath, isAlive, startPair, turn, until } from './harness.js';
import { Clients } from './lib/client.js';

const STOP_MS = 3000; // longer than redis.timeout
const LONG_MS = DEADLINE_MS;
const SERVICE = 'again';
let pair;
const clients = new Clients();
before(async () => {
	pair = await startPair({ redisOptions: { persistent: true }, settings: { workers: 2, 'redis.timeout': 2, 'ws.rate': 10000, 'ws.burst': 10000, 'history.max': 5000, 'history.max_bytes': '16MiB' } });
});
after(() => pair?.stop());
afterEach(() => clients.closeAll());

const make = options => clients.make(pair.daemon.url, options);

const disturbances = {
	'a worker is killed': () => {
		for (const { pid } of pair.daemon.workers()) process.kill(pid, 'SIGKILL');
	},
	'Redis cuts the subscription': () => pair.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub'),
	'Redis stands still': async () => {
		pair.redis.process.kill('SIGSTOP');
		await turn(STOP_MS);
		pair.redis.process.kill('SIGCONT');
	},
	'Redis is killed and restarted': async () => {
		pair.redis.client.close();
		await pair.redis.process.kill9();
		await pair.redis.start();
	},
	'the server is reloaded': () => pair.daemon.process.kill('SIGHUP'),
	'the whole server is killed and restarted': async () => {
		const workers = pair.daemon.workers();
		await pair.daemon.process.kill9();
		await until(() => workers.every(({ pid }) => !isAlive(pid)), undefined, 'the workers end');
		await pair.daemon.start();
	},
};

// Adds one again and again; each is repeated until its outcome is known.
class Counter {
	constructor(realtime, id) {
		Object.assign(this, { realtime, id, done: 0, unknown: 0, refused: 0, isOver: false });
		this.running = this.#run();
	}

	async #run() {
		while (!this.isOver) {
			try {
				await this.realtime.sync.mutate(SERVICE, this.id, data => void data.n++, { idempotencyKey: true });
				this.done++;
			} catch (error) {
				if (error instanceof OutcomeUnknownError) this.unknown++;
				else if (error.status === 503 || error.code === 'timeout' || error.code === 'unreachable') this.refused++;
				else throw error;
			}
			await turn(5);
		}
	}

	async stop() {
		this.isOver = true;
		await this.running;
		return this;
	}
}

describe('while documents are written', () => {
	let number = 0;
	for (const [name, disturb] of Object.entries(disturbances))
		test(`${name}: documents, events and presence go on`, async () => {
			const id = `d${++number}`, reader = make(), topicReader = make(), writer = make();
			await writer.sync.create(SERVICE, { n: 0 }, { id });
			const document = await reader.document(SERVICE, id), seen = { document: [], topic: [] };
			document.on('changed', ({ revision, snapshot }) => seen.document.push(snapshot ? [revision] : revision));
			const topic = topicReader.subscribe({ topic: `sync.${SERVICE}.*`, returnMode: 'diff', presence: false });
			topicReader.on(`event:sync.${SERVICE}.updated`, ({ payload }) => payload.documentId === id && seen.topic.push(payload.revision));
			await topic.ready;
			await reader.presence.join(SERVICE, id, { data: { reader: true } });
			const roster = [];
			topicReader.presence.on(SERVICE, id, ({ members }) => roster.push(members));

			const counter = new Counter(writer, id);
			await until(() => counter.done >= 10 && roster.length);
			await disturb();
			const before = counter.done;
			await until(() => counter.done >= before + 10, LONG_MS);
			const { done, unknown } = await counter.stop();
			await pair.daemon.waitUntilReady();
			const final = (await pair.rest.get(documentPath(SERVICE, id))).json;
			await until(() => document.revision === final.revision, LONG_MS, () => `${document.revision} of ${final.revision}; ${JSON.stringify(reader.states.slice(-4))}`);
			assert.deepEqual(document.data, final.data);
			assert.ok(final.data.n >= done && final.data.n <= done + unknown, `${final.data.n}: ${done} done, ${unknown} unknown`);

			// One after the other from the first on, except where the document had to be read as a whole, which is said.
			let held = 1;
			for (const one of seen.document) {
				if (typeof one === 'number') assert.equal(one, held + 1, String(seen.document));
				held = typeof one === 'number' ? one : one[0];
			}
			// What has been missed of a topic comes, or is told of.
			const isTold = () => topicReader.resyncs.some(({ recovering, topic: of }) => !recovering && of !== 'sync.*.presence');
			await until(() => isTold() || seen.topic.at(-1) === final.revision, LONG_MS, () => `${seen.topic.slice(-5)}, the last is ${final.revision}`);
			for (const [i, revision] of seen.topic.entries()) assert.ok(i === 0 ? revision === 2 : isTold() ? revision > seen.topic[i - 1] : revision === seen.topic[i - 1] + 1, String(seen.topic));
			assert.deepEqual(reader.resyncs.concat(topicReader.resyncs).filter(({ reason }) => reason === 'hole' || reason === 'rollback'), []);

			// Present once, by the connection of now.
			await until(() => roster.at(-1).length === 1 && roster.at(-1)[0].connectionId === reader.connectionId, LONG_MS, () => `${JSON.stringify(roster.at(-1))}, ${reader.connectionId}`);
			assert.deepEqual(roster.at(-1)[0].data, { reader: true });
			for (const realtime of [reader, topicReader, writer]) assert.deepEqual(realtime.errors, []);
		});
});

describe('writes while the server is away', () => {
	test("offline: 'queue': all are done when it is back, in their order, once", async () => {
		const realtime = make({ offline: 'queue' }), strict = make(), id = 'queued';
		await realtime.sync.create(SERVICE, { log: [] }, { id });
		await strict.connect();
		await disturbances['the whole server is killed and restarted']();
		// Both may have come back already: away again, and this time for longer.
		const workers = pair.daemon.workers();
		await until(() => realtime.state === 'open' && strict.state === 'open');
		await pair.daemon.process.kill9();
		await until(() => workers.every(({ pid }) => !isAlive(pid)) && realtime.state === 'reconnecting' && strict.state === 'reconnecting');
		const writes = Array.from({ length: 20 }, (_, n) => realtime.sync.patch(SERVICE, id, [{ op: 'add', path: '/log/-', value: n }]));
		await assert.rejects(strict.sync.merge(SERVICE, id, { strict: true }), { code: 'offline' });
		await pair.daemon.start();
		const envelopes = await Promise.all(writes);
		assert.deepEqual(envelopes.map(({ revision }) => revision), Array.from({ length: 20 }, (_, n) => n + 2));
		assert.deepEqual((await strict.sync.get(SERVICE, id)).data, { log: Array.from({ length: 20 }, (_, n) => n) });
	});
});

describe('a client that does not read for a while', () => {
	test('gets the newest of each document, and is told what it did not get', async () => {
		const slow = await startPair({ settings: { 'ws.queue': '64KiB', 'ws.stall_timeout': 600, 'ws.ping_interval': 600, 'ws.rate': 10000, 'ws.burst': 10000, 'ring.size': '16MiB' } });
		try {
			const realtime = clients.make(slow.daemon.url), writer = clients.make(slow.daemon.url, { messagesPerSecond: 100000 }), ids = ['a', 'b', 'c'], notices = [];
			for (const id of ids) await writer.sync.create('slow', { n: 0 }, { id });
			const diffs = await Promise.all(ids.map(id => realtime.document('slow', id))), fulls = clients.make(slow.daemon.url), seen = new Map();
			const topic = fulls.subscribe({ topic: 'sync.slow.*', presence: false }), told = new Set();
			topic.on('event', ({ payload: { documentId, revision, fromRevision } }) => {
				const before = seen.get(documentId) ?? 1;
				// Nothing is left out without a word.
				assert.ok(told.has(documentId) || (fromRevision ?? revision - 1) <= before, `${documentId}: ${revision} after ${before}`);
				seen.set(documentId, Math.max(before, revision));
				if (fromRevision !== undefined) notices.push('conflated');
			});
			// Large events are not kept for those who are slow: what has changed is to be read.
			topic.on('resync', async ({ documentId, recovering }) => {
				if (recovering || !documentId) return;
				told.add(documentId);
				notices.push('told');
				try {
					seen.set(documentId, Math.max(seen.get(documentId) ?? 1, (await fulls.sync.get('slow', documentId)).revision));
				} catch (error) {
					assert.equal(error.code, 'closed'); // at the end of the test
				}
			});
			await fulls.presence.list('slow', 'a');
			const sockets = [realtime, fulls].map(one => one.sockets.at(-1)._socket);
			for (const socket of sockets) socket.pause();
			let last;
			for (let n = 1; n <= 300; n++) last = await Promise.all(ids.map(id => writer.sync.replace('slow', id, { n, text: crypto.randomBytes(15000).toString('base64') })));
			for (const socket of sockets) socket.resume();
			await until(() => diffs.every((document, i) => document.revision === last[i].revision) && ids.every((id, i) => seen.get(id) === last[i].revision), LONG_MS, () => JSON.stringify([diffs.map(({ revision }) => revision), [...seen], realtime.resyncs.length, fulls.resyncs, fulls.errors.map(String)]));
			for (const [i, document] of diffs.entries()) assert.deepEqual(document.data, last[i].data);
			assert.ok(realtime.resyncs.some(({ reason, recovering }) => reason === 'slow' && recovering), 'it was too slow');
			assert.ok(notices.length > 0, 'events stood for several revisions, or documents had to be read');
			assert.deepEqual([realtime, fulls].flatMap(({ errors, resyncs }) => [...errors, ...resyncs.filter(({ reason }) => reason === 'hole' || reason === 'misfit')]), []);
			assert.deepEqual([realtime.sockets.length, fulls.sockets.length], [1, 1]);
		} finally {
			clients.closeAll();
			await slow.stop();
		}
	});
});

describe('many subscriptions', () => {
	test('come back after a worker is killed, at the rate the server allows', async () => {
		const slow = await startPair({ settings: { workers: 2 } });
		try {
			const realtime = clients.make(slow.daemon.url), writer = clients.make(slow.daemon.url), ids = Array.from({ length: 400 }, (_, i) => `m${i}`), seen = new Map();
			realtime.on('event:sync.many.created', ({ payload }) => seen.set(payload.documentId, payload.revision));
			await Promise.all(ids.map(documentId => realtime.subscribe({ topic: 'sync.many.*', documentId, presence: false }).ready));
			const live = await realtime.document('many', 'm0');
			const lost = Clients.lost(realtime);
			for (const { pid } of slow.daemon.workers()) process.kill(pid, 'SIGKILL');
			await lost;
			let again = 0;
			realtime.on('subscribed', ({ resumed }) => resumed && again++);
			await Promise.all(ids.map(documentId => writer.sync.create('many', { n: 1 }, { id: documentId, idempotencyKey: true })));
			await until(() => again >= 400, LONG_MS, () => `${again} are back`);
			// Created before its subscription was back: told as a snapshot.
			const told = new Set(realtime.resyncs.filter(({ reason }) => reason === 'snapshot').map(({ documentId }) => documentId));
			await until(() => ids.every(id => seen.get(id) === 1 || told.has(id)), LONG_MS, () => `${seen.size} seen, ${told.size} told`);
			assert.deepEqual([live.data, realtime.errors], [{ n: 1 }, []]);
		} finally {
			clients.closeAll();
			await slow.stop();
		}
	});
});
