// stream_resume_busy.test.js: event streams that are lost at random moments, by reloads, while Redis stands still, or with thousands of documents to
// tell: who comes back misses nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EventStreams, documentPath, eventsPath, putDocument, randomOf, startPair, topicsPath, turn, until } from './harness.js';
import { positionNow } from './lib/positions.js';

const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);

let pair;
const streams = new EventStreams();
before(async () => {
	process.stdout.write(`# seed ${seed}\n`);
	pair = await startPair({ settings: { workers: 2, 'ws.ping_interval': 1, 'history.max': 400 } });
});
after(async () => {
	streams.closeAll();
	await pair?.stop();
});

const open = (path, lastId, daemon = pair.daemon) => streams.resume(daemon.port, path, lastId);

test('streams that are dropped at random moments: every revision in order, none missing, no resync', async () => {
	const random = randomOf(seed),
		ids = Array.from({ length: 12 }, (_, i) => `r${i}`),
		newest = new Map();
	const start = await positionNow(pair);
	const take = client => {
		const { stream } = client;
		for (; client.taken < stream.events.length; client.taken++) {
			const { id, json } = stream.events[client.taken];
			client.lastId = id;
			if (json.type !== 'event') {
				client.faults.push(JSON.stringify(json));
				continue;
			}
			const { documentId, revision } = json.payload;
			const held = client.held.get(documentId) ?? 0;
			if (revision > held + 1) client.faults.push(`${documentId}: ${revision} behind ${held}`);
			client.held.set(documentId, Math.max(held, revision));
		}
	};
	const clients = Array.from({ length: 8 }, (_, i) => ({
		path: i % 2 ? topicsPath('sync.drop.*') : eventsPath('drop', ids[i]),
		ids: i % 2 ? ids : [ids[i]],
		held: new Map(),
		lastId: start,
		faults: [],
		random: randomOf(seed + i),
	}));
	const connect = async client => {
		client.stream = await open(client.path, client.lastId);
		client.taken = 0;
	};
	let over = false;
	const running = clients.map(async client => {
		await connect(client);
		while (!over) {
			await turn(client.random.below(100));
			client.stream.close();
			take(client);
			await connect(client);
		}
	});
	await Promise.all(
		Array.from({ length: 3 }, async () => {
			for (let i = 0; i < 150; i++) {
				const id = random.pick(ids);
				const { revision } = await putDocument(pair.rest, 'drop', id, { i });
				newest.set(id, Math.max(revision, newest.get(id) ?? 0));
			}
		}),
	);
	over = true;
	await Promise.all(running);
	for (const client of clients) {
		const isComplete = () => {
			take(client);
			return client.ids.every(id => !newest.has(id) || client.held.get(id) === newest.get(id));
		};
		await until(isComplete, undefined, () => `${JSON.stringify([...client.held])} of ${JSON.stringify([...newest])}`);
		assert.deepEqual(client.faults, []);
		client.stream.close();
	}
});

test('Redis does not answer: the stream waits and then gets all of it', async () => {
	const own = await startPair({ settings: { 'redis.timeout': 0.3, 'ws.ping_interval': 1 } });
	try {
		const put = n => own.rest.put(documentPath('away', 'a'), { data: { n } });
		const first = await open(eventsPath('away', 'a'), undefined, own.daemon);
		await until(() => first.lastId);
		first.close();
		for (let n = 1; n <= 3; n++) assert.ok((await put(n)).status < 300);
		own.redis.process.kill('SIGSTOP');
		const stream = await open(eventsPath('away', 'a'), first.lastId, own.daemon);
		// Asked for later than the stream did, and with the same patience.
		assert.equal((await own.rest.get(documentPath('away', 'a'))).status, 503);
		own.redis.process.kill('SIGCONT');
		await until(() => stream.revisions.length >= 3);
		assert.deepEqual(stream.revisions.slice(0, 3), [1, 2, 3]);
		stream.close();
	} finally {
		await own.stop();
	}
});

test('a reload ends streams in good order; who comes back misses nothing', async () => {
	const first = await open(topicsPath('sync.reload.*'), await positionNow(pair));
	let over = false,
		written = 0;
	const writer = (async () => {
		const client = pair.daemon.client({ keepAlive: false });
		while (!over) written = (await putDocument(client, 'reload', 'a', { n: written })).revision;
	})();
	const revisions = [];
	let stream = first;
	for (let reloads = 0; reloads < 2; reloads++) {
		await until(() => stream.events.length >= 3);
		pair.daemon.process.kill('SIGHUP');
		await until(() => stream.end, undefined, 'the end of the stream');
		assert.equal(stream.end, 'end');
		revisions.push(...stream.revisions);
		assert.deepEqual(stream.resyncs, []);
		stream = await open(topicsPath('sync.reload.*'), stream.lastId);
	}
	over = true;
	await writer;
	await until(() => stream.revisions.at(-1) === written);
	revisions.push(...stream.revisions);
	let held = 0;
	for (const revision of revisions) {
		assert.ok(revision <= held + 1, `${revision} behind ${held}`);
		held = Math.max(held, revision);
	}
});

test('thousands of missed documents and a reader that stops: nothing is read ahead of it, and all comes', async () => {
	const DOCUMENTS = 1500,
		MORE = 40;
	const own = await startPair({ settings: { 'ws.queue': '64KiB', 'ws.stall_timeout': 600, 'history.max': 5 } });
	const reads = async () => Number(/cmdstat_xrevrange:calls=(\d+)/.exec(await own.redis.command('INFO', 'commandstats'))?.[1] ?? 0);
	try {
		const first = await open(topicsPath('sync.many.*'), undefined, own.daemon);
		await until(() => first.lastId);
		first.close();
		const text = 'x'.repeat(20000);
		let next = 0;
		await Promise.all(
			Array.from({ length: 8 }, async () => {
				while (next < DOCUMENTS) await putDocument(own.rest, 'many', `d${next++}`, { text });
			}),
		);
		const stream = await open(topicsPath('sync.many.*'), first.lastId, own.daemon);
		stream.response.pause();
		let last = -1,
			same = 0;
		await until(
			async () => {
				const now = await reads();
				same = now === last ? same + 1 : 0;
				last = now;
				return now && same >= 50;
			},
			undefined,
			() => `the replay waits for its reader; it has made ${last} reads`,
		);
		assert.ok(last < DOCUMENTS, `${last} reads of ${DOCUMENTS} documents while nothing is taken`);
		// More than ws.queue of live events, meanwhile.
		for (let d = 0; d < MORE; d++) await putDocument(own.rest, 'many', `more${d}`, { text: text.slice(0, 4000) });
		stream.response.resume();
		await stream.waitFor(DOCUMENTS + MORE);
		assert.equal(new Set(stream.names).size, DOCUMENTS + MORE);
		assert.deepEqual(stream.resyncs, []);
		stream.close();
	} finally {
		await own.stop();
	}
});
