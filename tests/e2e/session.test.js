// session.test.js: what a WebSocket client can ask for beside subscriptions: the same documents, the same refusals as REST.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertStatus, collectionPath, documentPath, startPair, withPair } from './harness.js';

let pair, rest;
before(async () => {
	pair = await startPair({ settings: { 'ws.rate': 10000, 'ws.burst': 10000 } });
	({ rest } = pair);
});
after(() => pair?.stop());

const connect = options => pair.daemon.connect(options);

describe('operations', () => {
	test('write, read and list the same documents as REST', async () => {
		const ws = await connect();
		const ask = async (type, more) => ws.request({ type, service: 'ops', documentId: 'x', ...more });
		const steps = [
			['sync.create', { data: { a: 1, list: [1] } }, { a: 1, list: [1] }],
			['sync.replace', { data: { a: 2, list: [1] }, expectedRevision: 1 }, { a: 2, list: [1] }],
			['sync.merge', { data: { a: null, b: 3 }, ttl: 1000 }, { list: [1], b: 3 }],
			['sync.patch', { data: [{ op: 'add', path: '/list/-', value: 2 }] }, { list: [1, 2], b: 3 }],
			['sync.get', {}, { list: [1, 2], b: 3 }],
			['sync.delete', { expectedRevision: 4 }, { list: [1, 2], b: 3 }],
		];
		for (const [type, more, data] of steps) {
			const answer = await ask(type, more);
			assert.equal(answer.type, 'result', answer.text);
			assert.deepEqual(Object.keys(answer), ['type', 'id', 'document']);
			assert.deepEqual(answer.document.data, data, type);
			assert.deepEqual(answer.document, (await rest.get(`${documentPath('ops', 'x')}?deleted=true`)).json);
		}
		const made = await ws.request({ type: 'sync.create', service: 'ops' });
		assert.match(made.document.id, /^doc_[0-9a-z]{12}$/);
		assert.deepEqual(made.document.data, {});
		const get = await ask('sync.get', { deleted: true });
		assert.equal(get.document.deleted, true);
	});

	test('sync.list has the pages of REST', async () => {
		const ws = await connect();
		for (const id of ['b', 'a1', 'a2', 'a3']) await rest.put(documentPath('wslist', id), { data: { id } });
		await rest.delete(documentPath('wslist', 'a2'));
		const ask = async more => ws.request({ type: 'sync.list', service: 'wslist', ...more });
		const first = await ask({ order: 'id', page_size: 1, prefix: 'a', deleted: true });
		assert.equal(first.type, 'result', first.text);
		assert.deepEqual(
			first.items.map(item => item.id),
			['a1'],
		);
		const second = await ask({
			order: 'id',
			page_size: 5,
			prefix: 'a',
			deleted: true,
			page_token: first.next_page_token,
		});
		assert.deepEqual(
			second.items,
			(await rest.get(`${collectionPath('wslist')}?order=id&prefix=a&deleted=true`)).json.items.slice(1),
		);
		assert.equal(second.next_page_token, undefined);
		assert.deepEqual((await ask({})).items, (await rest.get(collectionPath('wslist'))).json.items);
		for (const more of [
			{ page_size: 0 },
			{ page_size: 1001 },
			{ page_size: '5' },
			{ order: 'x' },
			{ page_token: 'x' },
			{ prefix: 'a b' },
			{ deleted: 1 },
		])
			assert.equal((await ask(more)).status, 400, JSON.stringify(more));
	});

	// RedisJSON writes numbers its own way.
	test('numbers and text arrive as they were sent', () => withPair({ settings: { 'redis.encoding': 'string' } }, async ({ daemon, rest: other }) => {
		const ws = await daemon.connect();
		const data = '{"n":9007199254740993,"e":1e21,"f":0.10,"list":[],"text":"\\u00e9\\/"}';
		ws.send(`{"type":"sync.create","service":"ops","documentId":"exact","data":${data},"id":1}`);
		assert.ok((await ws.next(message => message.id === 1)).text.includes(data));
		assert.ok((await other.get(documentPath('ops', 'exact'))).text.includes(data));
	}));

	test('errors carry the same members as those of REST', async () => {
		const ws = await connect();
		await rest.put(documentPath('errors', 'x'), { data: { a: 1 } });
		await rest.put(documentPath('errors', 'dead'), { data: { a: 1 } });
		await rest.delete(documentPath('errors', 'dead'));
		const path = id => documentPath('errors', id),
			jsonPatch = 'application/json-patch+json';
		const cases = [
			[
				{ type: 'sync.create', documentId: 'x', data: {} },
				() => rest.post(collectionPath('errors'), { id: 'x', data: {} }),
			],
			[{ type: 'sync.get', documentId: 'never' }, () => rest.get(path('never'))],
			[{ type: 'sync.replace', documentId: 'a b', more: 1 }, () => rest.put(path('a%20b'), { more: 1 })],
			[{ type: 'sync.get', documentId: 'a b', revision: 0 }, () => rest.get(`${path('a%20b')}?revision=0`)],
			[{ type: 'sync.history', documentId: 'a b', page_size: 0 }, () => rest.get(`${path('a%20b')}/history?page_size=0`)],
			[{ type: 'sync.restore', documentId: 'a b' }, () => rest.post(`${path('a%20b')}/restore`, {})],
			[{ type: 'sync.get', documentId: 'dead' }, () => rest.get(path('dead'))],
			[
				{ type: 'sync.replace', documentId: 'x', data: {}, expectedRevision: 5 },
				() => rest.put(path('x'), { data: {}, expectedRevision: 5 }),
			],
			[{ type: 'sync.replace', documentId: 'x' }, () => rest.put(path('x'), {})],
			[{ type: 'sync.replace', documentId: 'x', data: [] }, () => rest.put(path('x'), { data: [] })],
			[
				{ type: 'sync.replace', documentId: 'x', data: {}, more: 1 },
				() => rest.put(path('x'), { data: {}, more: 1 }),
			],
			[{ type: 'sync.merge', documentId: 'never', data: {} }, () => rest.patch(path('never'), { data: {} })],
			[{ type: 'sync.merge', documentId: 'dead', data: {} }, () => rest.patch(path('dead'), { data: {} })],
			[
				{ type: 'sync.merge', documentId: 'x', data: {}, ttl: 1, expiresAt: 1 },
				() => rest.patch(path('x'), { data: {}, ttl: 1, expiresAt: 1 }),
			],
			[
				{ type: 'sync.merge', documentId: 'x', data: { s: 'x'.repeat(3000) }, expectedRevision: 0 },
				() => rest.patch(path('x'), { data: { s: 'x'.repeat(3000) }, expectedRevision: 0 }),
			],
			[
				{ type: 'sync.patch', documentId: 'x', data: [{ op: 'test', path: '/a', value: 2 }] },
				() => rest.patch(path('x'), [{ op: 'test', path: '/a', value: 2 }], jsonPatch),
			],
			[
				{ type: 'sync.patch', documentId: 'x', data: [{ op: 'remove', path: '/z' }] },
				() => rest.patch(path('x'), [{ op: 'remove', path: '/z' }], jsonPatch),
			],
			[
				{ type: 'sync.patch', documentId: 'x', data: [{ op: 'no' }] },
				() => rest.patch(path('x'), [{ op: 'no' }], jsonPatch),
			],
			[
				{ type: 'sync.delete', documentId: 'x', expectedRevision: 9 },
				() => rest.delete(`${path('x')}?expectedRevision=9`),
			],
			[{ type: 'sync.delete', documentId: 'never' }, () => rest.delete(path('never'))],
			[{ type: 'sync.get', documentId: 'a b' }, () => rest.get(path('a%20b'))],
		];
		for (const [message, request] of cases) {
			const error = await ws.request({ service: 'errors', ...message });
			const problem = (await request()).json;
			assert.equal(error.type, 'error', error.text);
			assert.ok(problem.status >= 400);
			for (const member of ['status', 'code', 'currentRevision', 'document', 'failedOp', 'offset'])
				assert.deepEqual(error[member], problem[member], `${member} of ${error.text}`);
			assert.equal(error.message, problem.detail);
		}
		for (const service of ['a b', '', 7, undefined])
			assert.equal((await ws.request({ type: 'sync.get', service, documentId: 'x' })).status, 400);
	});

	test('a member that the message does not have is refused, not passed over', async () => {
		const ws = await connect(), names = { service: 'strict', documentId: 'x' }, topic = 'sync.strict.*';
		await rest.put(documentPath('strict', 'x'), { data: {} });
		for (const message of [
			{ type: 'subscribe', topic, documentid: 'x' },
			{ type: 'subscribe', topic, ...names },
			{ type: 'unsubscribe', topic, documentid: 'x' },
			{ type: 'sync.get', ...names, rev: 1 },
			{ type: 'sync.get', ...names, data: {} },
			{ type: 'sync.history', ...names, pageSize: 5 },
			{ type: 'sync.list', service: 'strict', documentId: 'x' },
			{ type: 'presence.list', ...names, mode: 'viewing' },
		]) {
			const answer = await ws.request(message);
			assert.deepEqual([answer.type, answer.code, answer.status], ['error', 'unknown_member', 422], answer.text);
		}
		// Clients send their subscribe again with another type.
		const subscribe = { topic, documentId: 'x', returnMode: 'both', snapshot: true, presence: false };
		await ws.subscribe(subscribe);
		assert.equal((await ws.request({ type: 'unsubscribe', ...subscribe })).type, 'unsubscribed');
		assert.equal((await ws.request({ type: 'unsubscribe', ...subscribe })).code, 'not_subscribed');
		// Who they are, and that they are there, may be said with more words.
		assert.equal((await ws.request({ type: 'auth', token: 'x', client: 'phone' })).type, 'result');
		assert.equal((await ws.request({ type: 'ping', at: 1 })).type, 'pong');
	});
});

test('auth is no error where none is asked for', async () => {
	const answer = await (await connect()).request({ type: 'auth', token: 'x' });
	assert.equal(answer.type, 'result');
	assertStatus(await rest.get('/livez'), 200);
});
