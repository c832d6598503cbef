// stream_ends.test.js: event streams at their limits: too many, too slow, cut off, overtaken, and at the end of a worker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	Daemon,
	EventStream,
	EventStreams,
	Redis,
	Rest,
	assertProblem,
	assertStatus,
	documentPath,
	eventsPath,
	keys,
	scrape,
	startPair,
	topicsPath,
	until,
} from './harness.js';
import { askControl } from './lib/control.js';

async function withStreams(settings, run) {
	const pair = await startPair({ settings: { drain_timeout: 600, ...settings } });
	const streams = new EventStreams();
	try {
		await run({ ...pair, open: (path, options) => streams.open(pair.daemon.port, path, options) });
	} finally {
		streams.closeAll();
		// A connection that libmicrohttpd forgot would hold the drain up, for longer than this waits.
		await pair.stop();
	}
}

// A stream that is taken, however often it has to be asked for.
async function openWhenFree(daemon, path) {
	return until(
		async () => {
			const stream = await EventStream.open(daemon.port, path);
			if (stream.status === 200) return stream;
			assert.equal(stream.status, 503);
			return null;
		},
		undefined,
		'a slot of limits.streams is free',
	);
}

test('limits.streams: one more is 503, a client that leaves makes room at once', () =>
	withStreams({ 'limits.streams': 2, 'ws.ping_interval': 60 }, async ({ daemon, rest, open }) => {
		const path = topicsPath('sync.*.*');
		const first = await open(path);
		const second = await open(path);
		const refused = await rest.get(path);
		assertProblem(refused, 503, 'too_many_streams');
		assert.equal(refused.headers['retry-after'], '1');
		const held = await rest.put(documentPath('limit', 'x'), { data: {} });
		assertProblem(
			await rest.get(`${documentPath('limit', 'x')}?wait=5`, { 'If-None-Match': held.headers.etag }),
			503,
			'too_many_streams',
		);
		first.close();
		const third = await openWhenFree(daemon, path);
		assertProblem(await rest.get(path), 503, 'too_many_streams');
		await rest.put(documentPath('limit', 'x'), { data: { n: 2 } });
		await until(() => second.revisions.includes(2) && third.revisions.includes(2));
		// What is refused for another reason takes no room.
		assertProblem(await rest.get(`${path}&returnMode=none`), 400);
		third.close();
		(await openWhenFree(daemon, path)).close();

		// A long poll counts, too, and so does its leaving.
		await until(async () => (await scrape(rest)).value('syncdoc_streams') === 1); // the second
		const client = new Rest(daemon.url);
		const { etag } = (await rest.get(documentPath('limit', 'x'))).headers;
		const poll = client
			.request('GET', `${documentPath('limit', 'x')}?wait=60`, { headers: { 'If-None-Match': etag } })
			.catch(error => error);
		await until(async () => (await scrape(rest)).value('syncdoc_long_polls') === 1);
		assert.equal((await open(path)).status, 503);
		client.close();
		assert.ok((await poll) instanceof Error);
		(await openWhenFree(daemon, path)).close();
	}));

test('a reader that is too slow is cut, and the others lose nothing', () =>
	withStreams({ 'limits.streams': 2, 'ws.queue': '64KiB', 'ring.size': '16MiB' }, async ({ daemon, rest, open }) => {
		const quick = await open(eventsPath('slow', 'x', '?returnMode=diff'));
		const slow = await open(eventsPath('slow', 'x'));
		slow.response.pause();
		let written = 0,
			freed = null;
		const text = 'x'.repeat(60000);
		while (!freed) {
			assert.ok(written < 1000, 'cut before 60 MB wait for it');
			const writes = Array.from({ length: 10 }, () => rest.put(documentPath('slow', 'x'), { data: { text, n: written++ } }));
			for (const answer of await Promise.all(writes)) assert.ok(answer.status < 300, answer.text);
			const next = await EventStream.open(daemon.port, eventsPath('slow', 'x'));
			if (next.status === 200) freed = next;
		}
		freed.close();
		await until(() => quick.revisions.length === written);
		assert.deepEqual(
			quick.revisions,
			Array.from({ length: written }, (_, i) => i + 1),
		);
		assert.equal(quick.end, null);
		slow.response.resume();
		await until(() => slow.end);
		assert.notEqual(slow.end, 'end', 'the body must not look complete');
		// What came before is without a hole.
		assert.deepEqual(
			slow.revisions,
			Array.from({ length: slow.revisions.length }, (_, i) => i + 1),
		);
	}));

test('SIGTERM ends streams and long polls in good order', () =>
	withStreams({ workers: 2 }, async ({ daemon, rest, open }) => {
		const streams = [];
		for (let i = 0; i < 10; i++) streams.push(await open(topicsPath('sync.*.*')));
		const { etag } = (await rest.put(documentPath('drain', 'x'), { data: {} })).headers;
		const poller = daemon.client();
		const poll = poller.get(`${documentPath('drain', 'x')}?wait=60`, { 'If-None-Match': etag });
		await until(() => streams.every(stream => stream.events.length === 1));
		await until(async () => (await scrape(rest)).value('syncdoc_long_polls') === 1);
		daemon.process.kill('SIGTERM');
		await until(() => streams.every(stream => stream.end));
		for (const stream of streams) {
			assert.equal(stream.end, 'end');
			assert.equal(stream.retries.length, 2, 'when to come back');
			assert.ok(stream.retries[1] <= 2000);
		}
		assert.ok([304, 503].includes((await poll).status));
		const end = await daemon.process.waitForExit();
		assert.equal(end.code, 0);
	}));

test('a worker that is ended with streams under way leaves nothing behind', () =>
	withStreams({ drain_timeout: 1 }, async ({ daemon, open }) => {
		const stalled = await open(topicsPath('sync.*.*'));
		stalled.response.pause();
		for (let i = 0; i < 5; i++) await open(eventsPath('end', `x${i}`));
		daemon.process.kill('SIGTERM');
		assert.equal((await daemon.process.waitForExit()).code, 0);
	}));

test('a worker that was overtaken tells its streams, wakes its long polls, and delivers again', () =>
	withStreams({ worker_timeout: 600 }, async ({ daemon, redis, rest, open }) => {
		const path = documentPath('lap', 'x');
		const stream = await open(`${topicsPath('sync.lap.*', 'sync.*.deleted')}&documentPrefix=x`);
		const { etag } = (await rest.put(path, { data: {} })).headers;
		await until(() => stream.revisions.includes(1));
		const poll = rest.get(`${path}?wait=2`, { 'If-None-Match': etag });
		const [worker] = daemon.workers();
		const ringBytes = async () => (await askControl(daemon, { verb: 'status' })).result.ring.bytes;
		const before = await ringBytes();
		process.kill(worker.pid, 'SIGSTOP');
		try {
			// Written to the channel as any host would: it is the ring that matters here.
			const data = JSON.stringify({ text: 'x'.repeat(60000) });
			for (let revision = 1; revision <= 120; revision++)
				await redis.command(
					'PUBLISH',
					keys.channel('lap', 'x-other'),
					`{"type":"event","topic":"sync.lap.updated","source":"sync","timestamp":${revision},` +
						`"payload":{"service":"lap","documentId":"x-other","revision":${revision},"data":${data},"diff":{"added":{},"removed":[],"changed":{}}}}`,
				);
			// Redis has taken them; a worker that goes on before the supervisor has them too is not overtaken.
			await until(async () => (await ringBytes()) - before > 120 * data.length, undefined, 'all in the ring');
		} finally {
			process.kill(worker.pid, 'SIGCONT');
		}
		const lapped = () => stream.messages.filter(message => message.reason === 'lapped').map(message => message.topic);
		await until(() => lapped().length >= 2);
		assert.deepEqual(lapped().sort(), ['sync.*.deleted', 'sync.lap.*']);
		assert.equal((await poll).status, 304);
		assertStatus(await rest.delete(path), 200);
		await until(
			() => stream.messages.some(message => message.topic === 'sync.lap.deleted'),
			undefined,
			() => `the DELETE's event; the stream's end: ${stream.end}`,
		);
	}));

test('opened before the host has its events: the client is told to read again', async () => {
	const redis = new Redis();
	const daemon = await Daemon.start({ redis, wait: false });
	const stream = await until(() => EventStream.open(daemon.port, topicsPath('sync.early.*')));
	assert.equal(stream.status, 200);
	await redis.start();
	await daemon.waitUntilReady();
	await stream.waitFor(1);
	assert.equal(stream.messages[0].type, 'resync');
	assert.equal(stream.messages[0].reason, 'gap');
	assertStatus(await daemon.rest.put(documentPath('early', 'x'), { data: {} }), 201);
	await until(() => stream.revisions.includes(1));
	stream.close();
	await daemon.stop();
	await redis.stop();
});

test('the Redis subscription is lost: streams are told of the gap', () =>
	withStreams({}, async ({ redis, rest, open }) => {
		const stream = await open(eventsPath('gap', 'x'));
		assertStatus(await rest.put(documentPath('gap', 'x'), { data: {} }), 201);
		await stream.waitFor(1);
		await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
		await until(() => stream.messages.some(message => message.type === 'resync' && message.reason === 'gap'));
	}));
