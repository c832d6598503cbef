// websocket.test.js: subscriptions and events as section 7 of the contract has them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WebSocketClient, applyDiff, assertStatus, documentPath, nothingUntilPong, startPair } from './harness.js';

let pair,
	rest,
	count = 0;
before(async () => {
	pair = await startPair({ settings: { 'ws.rate': 10000, 'ws.burst': 10000 } });
	({ rest } = pair);
});
after(() => pair?.stop());

const connect = options => pair.daemon.connect(options);
const put = async (service, id, data) => (await rest.put(documentPath(service, id), { data })).json;
const isEvent = message => message.type === 'event';
const service = () => `s${++count}`;

describe('welcome and subscribe', () => {
	test('the first message is the welcome, with ids of its own for each connection', async () => {
		const [a, b] = [await connect(), await connect()];
		assert.deepEqual(Object.keys(a.welcome), ['type', 'connectionId', 'server', 'pingInterval', 'maxMessage']);
		assert.equal(a.messages[0].type, 'welcome');
		assert.ok(a.welcome.connectionId.length >= 12 && a.welcome.connectionId !== b.welcome.connectionId);
		assert.match(a.welcome.server, /^syncdoc/);
		assert.equal(a.welcome.pingInterval, 25000);
		assert.equal(a.welcome.maxMessage, (64 << 10) + 4096);
	});

	test('the subprotocol is agreed on when it is offered, and nothing else is', async () => {
		assert.equal((await connect({ protocols: ['other', 'syncdoc.v1'] })).socket.protocol, 'syncdoc.v1');
		assert.equal((await connect()).socket.protocol, '');
	});

	test('subscribed says what was subscribed', async () => {
		const ws = await connect();
		const wide = await ws.request({ type: 'subscribe', topic: 'sync.x.*' });
		assert.deepEqual(
			{ ...wide, position: '' },
			{ type: 'subscribed', id: wide.id, topic: 'sync.x.*', returnMode: 'full', outcome: 'live', position: '' },
		);
		assert.match(wide.position, /^[0-9a-f]{8}-\d+$/);
		const one = await ws.request({
			type: 'subscribe',
			topic: 'sync.*.updated',
			returnMode: 'diff',
			documentId: 'd',
		});
		assert.equal(one.documentId, 'd');
		assert.equal(one.returnMode, 'diff');
		const some = await ws.request({
			type: 'subscribe',
			topic: 'sync.*.*',
			returnMode: 'both',
			documentPrefix: 'u-',
		});
		assert.equal(some.documentPrefix, 'u-');
		assert.equal(some.returnMode, 'both');
	});

	test('ids come back as they were sent, strings and numbers; none stays none', async () => {
		const ws = await connect();
		for (const id of ['"x"', '""', '7', '-1', '1.50', '9007199254740993', '"é\\u00e9\\n"', '1e3']) {
			ws.send(`{"type":"ping","id":${id}}`);
			const pong = await ws.next(message => message.type === 'pong');
			assert.equal(pong.text, `{"type":"pong","id":${id}}`);
		}
		ws.send('{"type":"ping"}');
		assert.equal((await ws.next(message => message.type === 'pong')).text, '{"type":"pong"}');
		for (const id of ['{}', '[1]', 'true', JSON.stringify('x'.repeat(300))]) {
			ws.send(`{"type":"ping","id":${id}}`);
			assert.equal((await ws.next(message => message.type === 'error')).status, 400);
		}
	});

	const refused = [
		[{ topic: 'sync.x' }, 400],
		[{ topic: 'sync.x.changed' }, 400],
		[{ topic: 'x.y.updated' }, 400],
		[{ topic: 'sync..updated' }, 400],
		[{ topic: 7 }, 400],
		[{}, 400],
		[{ topic: 'sync.a b.updated' }, 400],
		[{ topic: 'sync.x.updated.more' }, 400],
		[{ topic: 'sync.x.*', returnMode: 'none' }, 400],
		[{ topic: 'sync.x.*', documentId: 'a b' }, 400],
		[{ topic: 'sync.x.*', documentId: '' }, 400],
		[{ topic: 'sync.x.*', documentId: 'a', documentPrefix: 'b' }, 400],
		[{ topic: 'sync.x.*', presence: 'yes' }, 400],
		[{ topic: 'sync.x.*', snapshot: true }, 400],
		[{ topic: 'sync.x.*', since: { revision: 1, createdAt: 1 } }, 400],
		[{ topic: 'sync.x.*', documentId: 'a', snapshot: 7 }, 400],
		[{ topic: 'sync.x.*', documentId: 'a', since: { revision: 0, createdAt: 1 } }, 400],
		[{ topic: 'sync.x.*', after: '0123' }, 400],
	];
	test('what is no subscription is an error with the id, and the socket stays', async () => {
		for (const [message, status] of refused) {
			const ws = await connect();
			const answer = await ws.request({ type: 'subscribe', ...message });
			assert.equal(answer.type, 'error', JSON.stringify(message));
			assert.equal(answer.status, status, answer.text);
			assert.ok(answer.code && answer.message);
			await ws.request({ type: 'ping' });
			ws.close();
		}
	});
});

describe('events', () => {
	test('have their members in the order of the contract, in each mode', async () => {
		const name = service(),
			modes = {};
		for (const returnMode of ['full', 'diff', 'both']) {
			modes[returnMode] = await connect();
			await modes[returnMode].subscribe({ topic: `sync.${name}.*`, returnMode });
		}
		const writer = await connect();
		const expect = async (event, envelope, more, data, diff) => {
			const position = /"position":"[0-9a-f]{8}-\d+"/;
			const prefix =
				`{"type":"event","topic":"sync.${name}.${event}","source":"sync","timestamp":${envelope.updatedAt},POSITION,` +
				`"payload":{"service":"${name}","documentId":"x","revision":${envelope.revision}${more}`;
			const wanted = {
				full: `,"data":${data}}}`,
				diff: `,"diff":${diff}}}`,
				both: `,"data":${data},"diff":${diff}}}`,
			};
			for (const [mode, rest] of Object.entries(wanted))
				assert.equal((await modes[mode].next(isEvent)).text.replace(position, 'POSITION'), prefix + rest);
		};
		const empty = '{"added":{},"removed":[],"changed":{}}';
		await expect(
			'created',
			await put(name, 'x', { a: [], 'p.q': 1 }),
			'',
			'{"a":[],"p.q":1}',
			String.raw`{"added":{"a":[],"p\\.q":1},"removed":[],"changed":{}}`,
		);
		const { document } = await writer.request({
			type: 'sync.merge',
			service: name,
			documentId: 'x',
			data: { 'p.q': 2, a: null },
		});
		await expect(
			'updated',
			document,
			`,"connectionId":"${writer.welcome.connectionId}"`,
			'{"p.q":2}',
			String.raw`{"added":{},"removed":["a"],"changed":{"p\\.q":{"from":1,"to":2}}}`,
		);
		await expect('updated', await put(name, 'x', { 'p.q': 2 }), '', '{"p.q":2}', empty);
		await expect(
			'deleted',
			(await rest.delete(documentPath(name, 'x'))).json,
			',"deleted":true',
			'{"p.q":2}',
			empty,
		);
		await expect(
			'created',
			await put(name, 'x', {}),
			'',
			'{}',
			String.raw`{"added":{},"removed":["p\\.q"],"changed":{}}`,
		);
	});

	test('reach the topics that name them and no others', async () => {
		const name = service(),
			other = service();
		const subscriptions = {
			[`sync.${name}.created`]: ['created'],
			[`sync.${name}.updated`]: ['updated'],
			[`sync.${name}.deleted`]: ['deleted'],
			[`sync.${name}.expired`]: [],
			[`sync.${name}.presence`]: [],
			[`sync.${name}.*`]: ['created', 'updated', 'deleted'],
			[`sync.${other}.*`]: [],
			'sync.*.updated': ['updated'],
			'sync.*.*': ['created', 'updated', 'deleted'],
		};
		const clients = [];
		for (const [topic, wanted] of Object.entries(subscriptions)) {
			const ws = await connect();
			await ws.subscribe({ topic });
			clients.push([ws, topic, wanted]);
		}
		await put(name, 'x', {});
		await put(name, 'x', { a: 1 });
		await rest.delete(documentPath(name, 'x'));
		await clients.at(-1)[0].event(event => event.topic === `sync.${name}.deleted`);
		for (const [ws, topic, wanted] of clients) {
			await nothingUntilPong(ws, () => false);
			const seen = ws.events.filter(event => event.payload.service === name);
			assert.deepEqual(
				seen.map(event => event.topic),
				wanted.map(event => `sync.${name}.${event}`),
				topic,
			);
		}
	});

	test('documentId and documentPrefix narrow', async () => {
		const name = service();
		const cases = [
			[{ documentId: 'u-1' }, ['u-1']],
			[{ documentPrefix: 'u-' }, ['u-1', 'u-22']],
			[{ documentPrefix: 'u-2' }, ['u-22']],
			[{ documentId: 'u-' }, []],
			[{}, ['u-1', 'v', 'u-22']],
		];
		const clients = [];
		for (const [narrow, wanted] of cases)
			for (const topic of [`sync.${name}.created`, 'sync.*.*']) {
				const ws = await connect();
				await ws.subscribe({ topic, ...narrow });
				clients.push([ws, wanted, narrow]);
			}
		for (const id of ['u-1', 'v', 'u-22']) await put(name, id, {});
		await clients.at(-1)[0].event(event => event.payload.documentId === 'u-22' && event.payload.service === name);
		for (const [ws, wanted, narrow] of clients) {
			await nothingUntilPong(ws, () => false);
			assert.deepEqual(
				ws.events.filter(event => event.payload.service === name).map(event => event.payload.documentId),
				wanted,
				JSON.stringify(narrow),
			);
		}
	});

	test('come once however many subscriptions match, with the modes united', async () => {
		const name = service();
		const cases = [
			[['full', 'full'], 'data'],
			[['full', 'diff'], 'data,diff'],
			[['diff', 'diff'], 'diff'],
			[['diff', 'both'], 'data,diff'],
			[['diff', 'diff', 'diff', 'full'], 'data,diff'],
		];
		const shapes = [
			{ topic: `sync.${name}.*` },
			{ topic: 'sync.*.created' },
			{ topic: `sync.${name}.created`, documentId: 'x' },
			{ topic: 'sync.*.*', documentPrefix: 'x' },
		];
		const clients = [];
		for (const [modes, wanted] of cases) {
			const ws = await connect();
			for (const [i, returnMode] of modes.entries()) await ws.subscribe({ ...shapes[i], returnMode });
			clients.push([ws, wanted]);
		}
		await put(name, 'x', { a: 1 });
		for (const [ws, wanted] of clients) {
			const event = await ws.event(one => one.payload.service === name);
			assert.equal(['data', 'diff'].filter(member => member in event.payload).join(), wanted);
			assert.ok(await nothingUntilPong(ws, one => isEvent(one) && one.payload.service === name));
		}
	});

	test('a second subscribe with equal names replaces the first', async () => {
		const name = service(),
			ws = await connect();
		const shape = { topic: `sync.${name}.*`, documentPrefix: 'x' };
		for (const returnMode of ['both', 'diff', 'full']) {
			await ws.subscribe({ ...shape, returnMode });
			await put(name, 'x', { returnMode });
			const event = await ws.event();
			assert.equal('data' in event.payload, returnMode !== 'diff', returnMode);
			assert.equal('diff' in event.payload, returnMode !== 'full', returnMode);
		}
		assert.equal((await ws.request({ type: 'unsubscribe', ...shape })).type, 'unsubscribed');
		await put(name, 'x', {});
		assert.ok(await nothingUntilPong(ws, isEvent), 'it was one subscription only');
	});

	test('unsubscribe ends exactly that one', async () => {
		const name = service(),
			ws = await connect();
		await ws.subscribe({ topic: `sync.${name}.*` });
		await ws.subscribe({ topic: `sync.${name}.*`, documentId: 'x', returnMode: 'diff' });
		const error = await ws.request({ type: 'unsubscribe', topic: `sync.${name}.*`, documentId: 'y' });
		assert.equal(error.type, 'error');
		assert.equal(error.status, 404);
		const answer = await ws.request({ type: 'unsubscribe', topic: `sync.${name}.*` });
		assert.deepEqual(answer, { type: 'unsubscribed', id: answer.id, topic: `sync.${name}.*` });
		await put(name, 'y', {});
		await put(name, 'x', {});
		assert.deepEqual(Object.keys((await ws.event()).payload).slice(-1), ['diff']);
		await ws.request({ type: 'unsubscribe', topic: `sync.${name}.*`, documentId: 'x' });
		await put(name, 'x', {});
		assert.ok(await nothingUntilPong(ws, isEvent));
	});

	test('subscribing to a document that does not exist succeeds', async () => {
		const name = service(),
			ws = await connect();
		await ws.subscribe({ topic: `sync.${name}.*`, documentId: 'later' });
		const { revision } = await put(name, 'later', { a: 1 });
		assert.equal((await ws.event()).payload.revision, revision);
	});

	test('diffs lead from each state to the next, names with dots and backslashes too', async () => {
		const name = service(),
			ws = await connect();
		await ws.subscribe({ topic: `sync.${name}.*`, returnMode: 'both' });
		const states = [
			{ a: 1, 'a.b': { 'c\\': 1 }, '': { '': 0 } },
			{ 'a.b': { 'c\\': 2, 'd.': [] }, '': {} },
			{ list: [1, [2, 3], { x: 1 }] },
			{ list: [1, [2], { x: 2 }, 4] },
			{ list: [] },
			{ list: {} },
			{ list: null },
			{},
			{ __proto__x: 1, constructor: { a: 1 } },
			JSON.parse('{"__proto__":{"a":1}}'),
			{},
		];
		let held = {};
		for (const state of states) {
			await put(name, 'x', state);
			const { data, diff } = (await ws.event()).payload;
			held = applyDiff(held, diff);
			assert.deepEqual(held, state, JSON.stringify(diff));
			assert.deepEqual(data, state);
		}
	});
});

test('with a unix socket listener WebSocket works there too', async () => {
	const local = await startPair({ socket: true });
	try {
		const ws = await WebSocketClient.connect(`ws+unix:${local.daemon.socket}:/v1/realtime`);
		await ws.subscribe({ topic: 'sync.unix.*' });
		assertStatus(await local.rest.put(documentPath('unix', 'x'), { data: { a: 1 } }), 201);
		assert.deepEqual((await ws.event()).payload.data, { a: 1 });
		ws.close();
	} finally {
		await local.stop();
	}
});
