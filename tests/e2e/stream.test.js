// stream.test.js: Server-Sent Events and long polls: the same feed as the WebSockets', over plain HTTP.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	Daemon,
	EventStream,
	Redis,
	Rest,
	assertProblem,
	assertStatus,
	documentPath,
	keys,
	parseAnswer,
	exchange,
	startPair,
	until,
} from './harness.js';
import { askControl } from './lib/control.js';

const eventsPath = (service, id, query = '') => `${documentPath(service, id)}/events${query}`;
const topics = (...names) => `/v1/events?${names.map(name => `topic=${encodeURIComponent(name)}`).join('&')}`;

async function withPair(settings, run) {
	const pair = await startPair({ settings });
	const opened = [];
	const open = async (path, options) => {
		const stream = await EventStream.open(pair.daemon.port, path, options);
		opened.push(stream);
		return stream;
	};
	try {
		await run({ ...pair, open });
	} finally {
		for (const stream of opened) stream.close();
		const began = Date.now();
		await pair.stop();
		// A connection that libmicrohttpd forgot would hold the drain up.
		assert.ok(Date.now() - began < 8000, 'the process ended before drain_timeout');
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

describe('streams', () => {
	let pair, daemon, rest;
	const opened = [];
	const open = async (path, options) => {
		const stream = await EventStream.open(daemon.port, path, options);
		opened.push(stream);
		return stream;
	};
	before(async () => {
		pair = await startPair({ settings: { 'ws.ping_interval': 1 } });
		({ daemon, rest } = pair);
	});
	after(async () => {
		for (const stream of opened) stream.close();
		await pair?.stop();
	});

	test('the head says what it is, and the first line how to come back', async () => {
		const stream = await open(eventsPath('head', 'x'));
		assert.equal(stream.status, 200);
		assert.equal(stream.headers['content-type'], 'text/event-stream');
		assert.equal(stream.headers['cache-control'], 'no-store');
		assert.equal(stream.headers['x-accel-buffering'], 'no');
		assert.ok(stream.headers['x-request-id']);
		await until(() => stream.retries.length === 1);
		assert.ok(stream.text.startsWith('retry: 1000\n'), stream.text);
		// Without it, who loses the connection before the first event would come back as if new.
		await until(() => /^[0-9a-f]{8}-\d+$/.test(stream.lastId));
		assert.deepEqual(stream.events, []);
	});

	test('the three modes have, event by event, the text that WebSocket clients get', async () => {
		const path = documentPath('modes', 'x');
		const modes = ['full', 'diff', 'both'];
		const pairs = [];
		for (const mode of modes) {
			const ws = await daemon.connect();
			await ws.subscribe({ topic: 'sync.modes.*', documentId: 'x', returnMode: mode });
			pairs.push({ mode, ws, stream: await open(eventsPath('modes', 'x', `?returnMode=${mode}`)) });
		}
		assertStatus(await rest.put(path, { data: { a: 1, s: 'é\u2028"\\' } }), 201);
		assertStatus(await rest.patch(path, { data: { b: [] } }), 200);
		assertStatus(await rest.delete(path), 200);
		for (const { mode, ws, stream } of pairs) {
			await stream.waitFor(3);
			await until(() => ws.events.length >= 3);
			assert.deepEqual(stream.messages, ws.events, mode);
			for (const { id, json } of stream.events) {
				assert.equal(id, json.position, mode);
				assert.equal('data' in json.payload, mode !== 'diff');
				assert.equal('diff' in json.payload, mode !== 'full');
			}
			assert.deepEqual(
				stream.messages.map(message => message.topic),
				['sync.modes.created', 'sync.modes.updated', 'sync.modes.deleted'],
			);
		}
	});

	test('line breaks in what a client wrote do not end its event', async () => {
		const stream = await open(eventsPath('lines', 'x', '?returnMode=both'));
		const data = '{\n\t"a": "x\\ny",\r\n\r\n"b"\r: [1,\n\n2]\n}';
		assertStatus(await rest.request('PUT', documentPath('lines', 'x'), { body: `{"data":${data}}` }), 201);
		await stream.waitFor(1);
		assert.deepEqual(stream.messages[0].payload.data, { a: 'x\ny', b: [1, 2] });
		assert.deepEqual(stream.messages[0].payload.diff.added, { a: 'x\ny', b: [1, 2] });
		assert.match(stream.text, /\ndata: "b"\n/);
	});

	test('an event larger than every buffer comes whole', async () => {
		const stream = await open(eventsPath('large', 'x'));
		const text = 'x'.repeat(60000);
		for (let i = 1; i <= 5; i++) assertStatus(await rest.put(documentPath('large', 'x'), { data: { i, text } }), i > 1 ? 200 : 201);
		await stream.waitFor(5);
		assert.deepEqual(stream.revisions, [1, 2, 3, 4, 5]);
		for (const message of stream.messages) assert.equal(message.payload.data.text, text);
	});

	test('several topics, a prefix, a document, single events', async () => {
		const two = await open(topics('sync.one.created', 'sync.two.*'));
		const twice = await open(topics('sync.one.*', 'sync.*.created'));
		const prefix = await open(`${topics('sync.one.*')}&documentPrefix=u42-`);
		const named = await open(`${topics('sync.*.updated')}&documentId=u42-a`);
		const events = await open(eventsPath('one', 'u42-a', '?event=deleted&event=updated'));
		const all = await open(topics('sync.*.*'));
		const write = async (service, id, n) => rest.put(documentPath(service, id), { data: { n } });
		await write('one', 'u42-a', 1);
		await write('one', 'u42-a', 2);
		await write('one', 'other', 3);
		await write('two', 'u42-a', 4);
		await write('two', 'u42-a', 5);
		await write('three', 'u42-a', 6);
		await rest.delete(documentPath('one', 'u42-a'));
		const isLast = message => message.topic === 'sync.one.deleted';
		await until(() => all.messages.some(isLast) && prefix.messages.some(isLast) && events.messages.some(isLast));
		const numbers = stream => stream.messages.filter(message => !isLast(message)).map(message => message.payload.data.n);
		await until(() => numbers(two).length === 4 && numbers(twice).length === 5 && numbers(named).length === 2);
		assert.deepEqual(numbers(all), [1, 2, 3, 4, 5, 6]);
		assert.deepEqual(numbers(two), [1, 3, 4, 5]);
		assert.deepEqual(numbers(twice), [1, 2, 3, 4, 6]);
		assert.deepEqual(numbers(prefix), [1, 2]);
		assert.deepEqual(numbers(named), [2, 5]);
		assert.deepEqual(numbers(events), [2]);
	});

	test('presence comes with a document and can be left out', async () => {
		const path = documentPath('who', 'x');
		const plain = await open(eventsPath('who', 'x'));
		const without = await open(eventsPath('who', 'x', '?presence=false'));
		const wide = await open(topics('sync.who.updated', 'sync.who.created'));
		const wideWith = await open(`${topics('sync.who.created')}&presence=true`);
		const only = await open(eventsPath('who', 'x', '?event=presence'));
		assertStatus(await rest.put(`${path}/presence/ann`, { mode: 'viewing', ttl: 30 }), 201);
		for (const stream of [plain, wideWith, only]) {
			await stream.waitFor(1);
			assert.equal(stream.messages[0].topic, 'sync.who.presence');
			assert.equal(stream.messages[0].payload.count, 1);
		}
		assertStatus(await rest.put(path, { data: {} }), 201);
		for (const stream of [plain, without, wide, wideWith]) await until(() => stream.revisions.includes(1));
		assert.equal(without.events.length, 1);
		assert.equal(wide.events.length, 1);
		assert.equal(only.events.length, 1);
	});

	test('4 writers: every revision once and in order, in every stream', async () => {
		const WRITERS = 4,
			WRITES = 50,
			path = documentPath('order', 'x');
		const streams = [];
		for (let i = 0; i < 6; i++)
			streams.push(await open(i % 2 ? eventsPath('order', 'x') : `${topics('sync.order.*')}&returnMode=diff`));
		assertStatus(await rest.put(path, { data: {} }), 201);
		await Promise.all(
			Array.from({ length: WRITERS }, async (_, writer) => {
				for (let i = 0; i < WRITES; i++) assertStatus(await rest.patch(path, { data: { [`w${writer}`]: i } }), 200);
			}),
		);
		const wanted = Array.from({ length: 1 + WRITERS * WRITES }, (_, i) => i + 1);
		for (const stream of streams) {
			await stream.waitFor(wanted.length);
			assert.deepEqual(stream.revisions, wanted);
		}
	});

	test('an idle stream has a comment each ws.ping_interval', async () => {
		const stream = await open(eventsPath('idle', 'x'));
		await until(() => stream.comments.length >= 2);
		assert.deepEqual(new Set(stream.comments.filter(comment => comment !== 'position')), new Set(['ping']));
		const former = stream.lastId;
		await rest.put(documentPath('elsewhere', 'x'), { data: {} });
		await until(() => stream.lastId !== former, undefined, 'a ping with a later position');
		assert.deepEqual(stream.events, []);
	});

	test('HEAD has the head only, OPTIONS and 405 say what is allowed', async () => {
		for (const path of [eventsPath('head', 'x'), topics('sync.*.*')]) {
			const head = await open(path, { method: 'HEAD' });
			assert.equal(head.status, 200);
			assert.equal(head.headers['content-type'], 'text/event-stream');
			await until(() => head.end === 'end');
			assert.equal(head.text, '');
			const refused = await rest.put(path, { data: {} });
			assert.equal(refused.status, 405);
			assert.equal(refused.headers.allow, 'GET, HEAD, OPTIONS');
		}
	});

	test('HTTP/1.0, without chunks', async () => {
		const path = documentPath('old', 'x');
		assertStatus(await rest.put(path, { data: {} }), 201);
		const text = `GET ${eventsPath('old', 'x')} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n`;
		let written;
		const { text: answer } = await exchange(daemon.port, text, {
			isDone: bytes => {
				if (bytes.includes('retry')) written ??= rest.put(path, { data: { n: 2 } });
				return bytes.includes('data: ');
			},
		});
		await written;
		assert.match(parseAnswer(answer).text, /^retry: 1000\n(id: \S+\n)?\n(: \w+\nid: \S+\n\n)?id: \S+\ndata: \{"type":"event"/);
	});

	const refused = [
		['/v1/events', 400, 'invalid_topic'],
		['/v1/events?topic=', 400, 'invalid_topic'],
		['/v1/events?topic=sync.a', 400, 'invalid_topic'],
		['/v1/events?topic=sync.a.updated&topic=sync.a.nothing', 400, 'invalid_topic'],
		['/v1/events?topic=sync.*.*&returnMode=none', 400, 'invalid_return_mode'],
		['/v1/events?topic=sync.*.*&returnMode=full&returnMode=diff', 400, 'invalid_query'],
		['/v1/events?topic=sync.*.*&presence=1', 400, 'invalid_query'],
		['/v1/events?topic=sync.*.*&documentId=a&documentPrefix=a', 400, 'invalid_query'],
		['/v1/events?topic=sync.*.*&documentId=', 400, 'invalid_id'],
		['/v1/events?topic=sync.*.*&documentPrefix=%20', 400, 'invalid_id'],
		['/v1/events?topic=sync.*.*&event=updated', 400, 'invalid_query'],
		[`/v1/events?${'topic=sync.*.*&'.repeat(33)}`, 400, 'invalid_query'],
		[eventsPath('a%20b', 'x'), 400, 'invalid_service'],
		[eventsPath('a', 'x%20'), 400, 'invalid_id'],
		[eventsPath('a', 'x', '?event=*'), 400, 'invalid_query'],
		[eventsPath('a', 'x', '?event='), 400, 'invalid_query'],
		[eventsPath('a', 'x', '?topic=sync.*.*'), 400, 'invalid_query'],
		[eventsPath('a', 'x', '?returnMode='), 400, 'invalid_return_mode'],
	];
	for (const [path, status, code] of refused)
		test(`${path.slice(0, 70)} is ${status} ${code}`, async () =>
			assertProblem(await rest.get(path), status, code));

	test('a client that takes no event stream gets 406', async () => {
		for (const Accept of ['application/json', 'text/event-stream;q=0', 'text/html'])
			assertProblem(await rest.get(topics('sync.*.*'), { Accept }), 406, 'not_acceptable');
		for (const Accept of ['text/*', '*/*']) {
			const stream = await open(topics('sync.*.*'), { headers: { Accept } });
			assert.equal(stream.status, 200);
		}
	});
});

test('limits.streams: one more is 503, a client that leaves makes room at once', () =>
	withPair({ 'limits.streams': 2, 'ws.ping_interval': 60 }, async ({ daemon, rest, open }) => {
		const path = topics('sync.*.*');
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
		const client = new Rest(daemon.url);
		const { etag } = (await rest.get(documentPath('limit', 'x'))).headers;
		const poll = client
			.request('GET', `${documentPath('limit', 'x')}?wait=60`, { headers: { 'If-None-Match': etag } })
			.catch(error => error);
		await until(async () => {
			const stream = await open(path);
			stream.close();
			return stream.status === 503;
		});
		client.close();
		assert.ok((await poll) instanceof Error);
		(await openWhenFree(daemon, path)).close();
	}));

test('a reader that is too slow is cut, and the others lose nothing', () =>
	withPair({ 'limits.streams': 2, 'ws.queue': '64KiB', 'ring.size': '16MiB' }, async ({ daemon, rest, open }) => {
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
	withPair({ workers: 2 }, async ({ daemon, rest, open }) => {
		const streams = [];
		for (let i = 0; i < 10; i++) streams.push(await open(topics('sync.*.*')));
		const { etag } = (await rest.put(documentPath('drain', 'x'), { data: {} })).headers;
		const poller = daemon.client({ deadlineMs: 30000 });
		const poll = poller.get(`${documentPath('drain', 'x')}?wait=60`, { 'If-None-Match': etag });
		await until(() => streams.every(stream => stream.events.length === 1));
		const began = Date.now();
		daemon.process.kill('SIGTERM');
		await until(() => streams.every(stream => stream.end));
		for (const stream of streams) {
			assert.equal(stream.end, 'end');
			assert.equal(stream.retries.length, 2, 'when to come back');
			assert.ok(stream.retries[1] <= 2000);
		}
		assert.ok([304, 503].includes((await poll).status));
		const end = await daemon.process.waitForExit(10000);
		assert.equal(end.code, 0);
		assert.ok(Date.now() - began < 9000, 'before drain_timeout');
	}));

test('a worker that is ended with streams under way leaves nothing behind', () =>
	withPair({ drain_timeout: 1 }, async ({ daemon, open }) => {
		const stalled = await open(topics('sync.*.*'));
		stalled.response.pause();
		for (let i = 0; i < 5; i++) await open(eventsPath('end', `x${i}`));
		daemon.process.kill('SIGTERM');
		assert.equal((await daemon.process.waitForExit(15000)).code, 0);
	}));

test('a worker that was overtaken tells its streams, wakes its long polls, and delivers again', () =>
	withPair({ worker_timeout: 600 }, async ({ daemon, redis, rest, open }) => {
		const path = documentPath('lap', 'x');
		const stream = await open(`${topics('sync.lap.*', 'sync.*.deleted')}&documentPrefix=x`);
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
	const stream = await until(() => EventStream.open(daemon.port, topics('sync.early.*')));
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
	withPair({}, async ({ redis, rest, open }) => {
		const stream = await open(eventsPath('gap', 'x'));
		assertStatus(await rest.put(documentPath('gap', 'x'), { data: {} }), 201);
		await stream.waitFor(1);
		await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
		await until(() => stream.messages.some(message => message.type === 'resync' && message.reason === 'gap'));
	}));

describe('long poll', () => {
	let pair, daemon, rest;
	before(async () => {
		pair = await startPair({ settings: { 'limits.request_timeout': 1 } });
		({ daemon, rest } = pair);
	});
	after(() => pair?.stop());
	const make = async id => (await rest.put(documentPath('poll', id), { data: { n: 1 } })).headers.etag;
	const wait = (id, etag, seconds = '30s') =>
		rest.get(`${documentPath('poll', id)}?wait=${seconds}`, { 'If-None-Match': etag });

	test('another ETag: 200 at once', async () => {
		const etag = await make('at-once');
		const answer = await wait('at-once', '"7-1760000000000"');
		assert.equal(assertStatus(answer, 200).revision, 1);
		assert.equal(answer.headers.etag, etag);
		assertProblem(await wait('unknown', etag), 404);
	});

	test('200 after the write that comes meanwhile, beyond limits.request_timeout', async () => {
		const etag = await make('later');
		const poll = wait('later', etag);
		let answered = false;
		poll.then(() => (answered = true));
		await make('somebody-else');
		const until1500 = Date.now() + 1500; // limits.request_timeout is 1 s
		await until(() => Date.now() > until1500);
		assert.equal(answered, false);
		const written = await rest.put(documentPath('poll', 'later'), { data: { n: 2 } });
		const answer = await poll;
		assert.deepEqual(assertStatus(answer, 200).data, { n: 2 });
		assert.equal(answer.headers.etag, written.headers.etag);
	});

	test('410 after a DELETE, 200 with deleted=true', async () => {
		const etag = await make('deleted');
		const poll = wait('deleted', etag);
		const shown = rest.get(`${documentPath('poll', 'deleted')}?wait=30&deleted=true`, { 'If-None-Match': etag });
		assertStatus(await rest.delete(documentPath('poll', 'deleted')), 200);
		assertProblem(await poll, 410, 'document_deleted');
		assert.equal(assertStatus(await shown, 200).deleted, true);
	});

	test('304 at the end of the wait, not before', async () => {
		const etag = await make('quiet');
		const began = Date.now();
		const answer = await wait('quiet', etag, '2');
		assert.equal(answer.status, 304);
		assert.equal(answer.headers.etag, etag);
		assert.equal(answer.text, '');
		assert.ok(Date.now() - began >= 1900, `${Date.now() - began} ms`);
	});

	test('many wait for one document: one write answers all', async () => {
		const etag = await make('many');
		const polls = Array.from({ length: 20 }, () => wait('many', etag));
		assertStatus(await rest.put(documentPath('poll', 'many'), { data: { n: 2 } }), 200);
		for (const answer of await Promise.all(polls)) assert.equal(assertStatus(answer, 200).revision, 2);
	});

	test('200 races of a write and a poll: none waits in vain', async () => {
		const path = documentPath('poll', 'race');
		let etag = await make('race');
		const poller = daemon.client(),
			writer = new Rest(daemon.url);
		for (let i = 2; i <= 201; i++) {
			const write = () => writer.put(path, { data: { i } });
			const poll = () => poller.get(`${path}?wait=10`, { 'If-None-Match': etag });
			const [written, answer] =
				i % 2 ? await Promise.all([write(), poll()]) : (await Promise.all([poll(), write()])).reverse();
			assertStatus(written, 200);
			assert.equal(assertStatus(answer, 200, `race ${i}`).revision, i);
			({ etag } = answer.headers);
		}
		writer.close();
	});

	test('a client that goes away while it waits harms nobody', async () => {
		const etag = await make('gone');
		const client = new Rest(daemon.url);
		const poll = client
			.request('GET', `${documentPath('poll', 'gone')}?wait=30`, { headers: { 'If-None-Match': etag } })
			.catch(error => error);
		assert.equal((await wait('gone', etag, '1')).status, 304);
		client.close();
		assert.ok((await poll) instanceof Error);
		assertStatus(await rest.put(documentPath('poll', 'gone'), { data: { n: 2 } }), 200);
		assertStatus(await wait('gone', etag, '1'), 200);
	});

	const etag = '"1-1760000000000"';
	const refused = [
		['?wait=30s', {}],
		...['', '0', '61', '0s', '1m', 's', '-1', '1.5', '030', '1 s'].map(text => [
			`?wait=${encodeURIComponent(text)}`,
			{ 'If-None-Match': etag },
		]),
		['?wait=5&wait=5', { 'If-None-Match': etag }],
		['?wait=5&revision=1', { 'If-None-Match': etag }],
	];
	for (const [query, headers] of refused)
		test(`${query} ${headers['If-None-Match'] ? 'with' : 'without'} If-None-Match is 400`, async () => {
			await make('input');
			assertProblem(await rest.get(documentPath('poll', 'input') + query, headers), 400, 'invalid_query');
		});
});
