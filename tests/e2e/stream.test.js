// stream.test.js: Server-Sent Events: the same feed as the WebSockets', over plain HTTP.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	EventStreams,
	assertProblem,
	assertStatus,
	documentPath,
	eventsPath,
	exchange,
	parseAnswer,
	startPair,
	topicsPath,
	until,
} from './harness.js';

describe('streams', () => {
	let pair, daemon, rest;
	const streams = new EventStreams();
	const open = (path, options) => streams.open(daemon.port, path, options);
	before(async () => {
		pair = await startPair({ settings: { 'ws.ping_interval': 2 } });
		({ daemon, rest } = pair);
	});
	after(async () => {
		streams.closeAll();
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
		const two = await open(topicsPath('sync.one.created', 'sync.two.*'));
		const twice = await open(topicsPath('sync.one.*', 'sync.*.created'));
		const prefix = await open(`${topicsPath('sync.one.*')}&documentPrefix=u42-`);
		const named = await open(`${topicsPath('sync.*.updated')}&documentId=u42-a`);
		const events = await open(eventsPath('one', 'u42-a', '?event=deleted&event=updated'));
		const all = await open(topicsPath('sync.*.*'));
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
		const wide = await open(topicsPath('sync.who.updated', 'sync.who.created'));
		const wideWith = await open(`${topicsPath('sync.who.created')}&presence=true`);
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
			streams.push(await open(i % 2 ? eventsPath('order', 'x') : `${topicsPath('sync.order.*')}&returnMode=diff`));
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
		for (const path of [eventsPath('head', 'x'), topicsPath('sync.*.*')]) {
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
			assertProblem(await rest.get(topicsPath('sync.*.*'), { Accept }), 406, 'not_acceptable');
		for (const Accept of ['text/*', '*/*']) {
			const stream = await open(topicsPath('sync.*.*'), { headers: { Accept } });
			assert.equal(stream.status, 200);
		}
	});
});
