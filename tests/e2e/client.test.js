// client.test.js: the JavaScript client against a real server: documents and how they are written. Events: client_live.test.js.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AuthError, ConflictError, GoneError, NotFoundError, Realtime, RealtimeError } from '../../workers/web/client/realtime.js';
import { documentPath, until } from './harness.js';
import { useClients } from './lib/client.js';

const site = useClients({ workers: 2, 'ws.rate': 10000, 'ws.burst': 10000, 'ws.max_message': '8KiB' });
const { clients, make, freshId, read } = site;

describe('documents', () => {
	test('all operations resolve to the envelope', async () => {
		const { sync } = make(), id = freshId();
		const created = await sync.create('ops', { a: 1, list: [1] }, { id, ttl: 1000 });
		assert.deepEqual(created, await read('ops', id));
		assert.equal(created.expiresAt, created.updatedAt + 1000000);
		assert.deepEqual((await sync.merge('ops', id, { a: null, b: { c: 2 } })).data, { list: [1], b: { c: 2 } });
		assert.deepEqual((await sync.patch('ops', id, [{ op: 'add', path: '/list/-', value: 2 }])).data, { list: [1, 2], b: { c: 2 } });
		const replaced = await sync.replace('ops', id, { n: 1 }, { expectedRevision: 3, ttl: null });
		assert.deepEqual([replaced.revision, replaced.data, replaced.expiresAt], [4, { n: 1 }, undefined]);
		assert.deepEqual(await sync.get('ops', id), replaced);
		assert.deepEqual((await sync.get('ops', id, { revision: 1 })).data, { a: 1, list: [1] });
		assert.deepEqual((await sync.restore('ops', id, 2)).data, { list: [1], b: { c: 2 } });
		const deleted = await sync.delete('ops', id, { expectedRevision: 5 });
		assert.deepEqual([deleted.deleted, deleted.revision], [true, 6]);
		assert.equal((await sync.get('ops', id, { deleted: true })).deleted, true);
		const made = await sync.create('ops');
		assert.match(made.id, /^doc_[0-9a-z]{12}$/);
		assert.deepEqual(made.data, {});
	});

	test('history, list, services, batchGet', async () => {
		const { sync } = make();
		for (const id of ['b', 'a1', 'a2']) await sync.create('lists', { id }, { id });
		await sync.merge('lists', 'b', { n: 1 });
		const first = await sync.history('lists', 'b', { pageSize: 1 });
		assert.deepEqual(first.revisions.map(({ revision, op }) => [revision, op]), [[2, 'merge']]);
		const second = await sync.history('lists', 'b', { pageToken: first.nextPageToken });
		assert.deepEqual([second.revisions.map(({ revision }) => revision), second.nextPageToken], [[1], undefined]);
		const page = await sync.list('lists', { order: 'id', prefix: 'a', pageSize: 1, data: true });
		assert.deepEqual(page.items.map(({ id, data }) => [id, data]), [['a1', { id: 'a1' }]]);
		assert.deepEqual((await sync.list('lists', { order: 'id', prefix: 'a', pageToken: page.nextPageToken })).items.map(({ id }) => id), ['a2']);
		assert.deepEqual((await sync.services()).find(({ service }) => service === 'lists'), { service: 'lists', documents: 3 });
		assert.deepEqual((await sync.batchGet('lists', ['a2', 'none', 'b'])).map(({ id }) => id), ['a2', 'b']);
	});

	test('refusals have a class, a code, a status and what the server says', async () => {
		const { sync } = make(), id = freshId();
		await sync.create('ops', { a: 1 }, { id });
		const second = await sync.merge('ops', id, { a: 2 });
		const conflict = await sync.replace('ops', id, {}, { expectedRevision: 1 }).catch(error => error);
		assert.ok(conflict instanceof ConflictError && conflict instanceof RealtimeError && conflict instanceof Error);
		assert.deepEqual([conflict.name, conflict.code, conflict.status, conflict.currentRevision, conflict.document], ['ConflictError', 'revision_conflict', 409, 2, second]);
		const exists = await sync.create('ops', {}, { id }).catch(error => error);
		assert.deepEqual([exists instanceof ConflictError, exists.code, exists.currentRevision], [true, 'document_exists', 2]);
		const failed = await sync.patch('ops', id, [{ op: 'test', path: '/a', value: 7 }]).catch(error => error);
		assert.deepEqual([failed instanceof ConflictError, failed.code, failed.failedOp], [false, 'patch_test_failed', 0]);
		await sync.delete('ops', id);
		await assert.rejects(sync.get('ops', id), error => error instanceof GoneError && error.code === 'document_deleted');
		await assert.rejects(sync.get('ops', 'none'), error => error instanceof NotFoundError && error.status === 404);
		await assert.rejects(sync.get('a b', 'none'), { code: 'invalid_service', status: 400 });
		await assert.rejects(sync.replace('ops', id, [1]), { code: 'data_not_object' });
		await assert.rejects(sync.get('ops', id, { revision: 99 }), error => error.status === 404);
	});

	test('what JSON cannot say is refused, not altered', async () => {
		const { sync } = make(), id = freshId();
		for (const data of [{ n: NaN }, { list: [Infinity] }, { deep: { n: -Infinity } }, { n: 1n }]) await assert.rejects(sync.create('ops', data, { id }), TypeError);
		const cyclic = {};
		cyclic.self = cyclic;
		await assert.rejects(sync.create('ops', cyclic, { id }), TypeError);
		await assert.rejects(sync.merge('ops', undefined, {}), TypeError);
		await assert.rejects(sync.get('ops', id), NotFoundError);
		const data = JSON.parse('{"__proto__":{"x":1},"":[],"é\\n":{"a.b":null}}');
		assert.deepEqual((await sync.create('ops', data, { id })).data, data);
	});

	test('what the caller changes after the call is not what is written', async () => {
		const { sync } = make(), data = { a: [1] }, id = freshId(), write = sync.create('ops', data, { id });
		data.a.push(2);
		assert.deepEqual((await write).data, { a: [1] });
	});

	test('writes larger than a message go by REST, with the same answers', async () => {
		const realtime = make(), { sync } = realtime, id = freshId(), big = 'x'.repeat(10000);
		assert.equal((await sync.create('large', { big }, { id, ttl: 100 })).revision, 1);
		assert.equal((await sync.replace('large', id, { big: `${big}y` }, { expectedRevision: 1, ttl: 1000 })).data.big.length, 10001);
		assert.equal((await sync.merge('large', id, { big: 'é'.repeat(5000) }, { expectedRevision: 2 })).data.big.length, 5000);
		const operations = [{ op: 'add', path: '/more', value: big }];
		const patched = await sync.patch('large', id, operations, { expectedRevision: 3 });
		assert.deepEqual([patched.revision, patched.data.more.length], [4, 10000]);
		await assert.rejects(sync.patch('large', id, operations, { expectedRevision: 3 }), error => error instanceof ConflictError && error.currentRevision === 4);
		await assert.rejects(sync.merge('large', id, { big }, { expectedRevision: 1 }), error => error instanceof ConflictError && error.document.revision === 4);
		await assert.rejects(sync.patch('large', id, operations, { ttl: 5 }), { code: 'unsupported' });
		await assert.rejects(sync.create('large', { big: 'x'.repeat(70000) }), { status: 413 });
		assert.deepEqual(realtime.states.map(({ state }) => state), ['connecting', 'open']);
	});

	test('a write with an Idempotency-Key is done once', async () => {
		const { sync } = make(), id = freshId(), write = key => sync.merge('keys', id, { n: 1 }, { idempotencyKey: key });
		await sync.create('keys', {}, { id });
		assert.deepEqual([(await write('k1')).revision, (await write('k1')).revision, (await write(true)).revision, (await write(true)).revision], [2, 2, 3, 4]);
		assert.equal((await sync.delete('keys', id, { idempotencyKey: 'k2', expectedRevision: 4 })).revision, 5);
		assert.equal((await sync.restore('keys', id, 3, { idempotencyKey: 'k3' })).revision, 6);
		assert.equal((await sync.create('keys', { a: 1 }, { idempotencyKey: 'k4' })).data.a, 1);
	});

	test('integers beyond 2^53 are rounded, as JavaScript does', async () => {
		const id = freshId(), { sync } = make();
		const put = await site.rest.request('PUT', documentPath('ops', id), { body: '{"data":{"n":9007199254740993}}', headers: { 'Content-Type': 'application/json' } });
		assert.ok(put.text.includes('9007199254740993'));
		assert.equal((await sync.get('ops', id)).data.n, 2 ** 53);
	});
});

describe('mutate', () => {
	test('counts right while many do it at once', async () => {
		const all = Array.from({ length: 4 }, () => make()), id = freshId();
		await all[0].sync.create('counters', { n: 0 }, { id });
		await Promise.all(all.flatMap(({ sync }) => Array.from({ length: 5 }, () => sync.mutate('counters', id, data => void data.n++, { maxRetries: 100 }))));
		assert.equal((await read('counters', id)).data.n, 20);
	});

	test('fn may return, change, be async, throw; it never touches what others hold', async () => {
		const { sync } = make(), id = freshId();
		await sync.create('counters', { list: [1] }, { id });
		assert.deepEqual((await sync.mutate('counters', id, ({ list }) => ({ list: [...list, 2] }))).data, { list: [1, 2] });
		assert.deepEqual((await sync.mutate('counters', id, async data => void data.list.push(3))).data, { list: [1, 2, 3] });
		await assert.rejects(sync.mutate('counters', id, () => { throw new Error('mine'); }), { message: 'mine' });
		await assert.rejects(sync.mutate('counters', id, async () => Promise.reject(new Error('later'))), { message: 'later' });
		assert.equal((await read('counters', id)).revision, 3);
	});

	test('keeps its options in every attempt', async () => {
		const { sync } = make(), id = freshId();
		await sync.create('counters', { n: 0 }, { id });
		let calls = 0;
		const written = await sync.mutate('counters', id, async (data, envelope) => {
			assert.deepEqual(envelope.data, data);
			if (++calls < 3) await site.rest.patch(documentPath('counters', id), { data: { other: calls } });
			data.n++;
		}, { ttl: 500 });
		assert.deepEqual([calls, written.data, written.expiresAt - written.updatedAt], [3, { n: 1, other: 2 }, 500000]);
	});

	test('gives up after maxRetries, with the conflict', async () => {
		const { sync } = make(), id = freshId();
		await sync.create('counters', { n: 0 }, { id });
		let calls = 0;
		const conflict = await sync.mutate('counters', id, async () => {
			calls++;
			await site.rest.patch(documentPath('counters', id), { data: { calls } });
		}, { maxRetries: 2 }).catch(error => error);
		assert.deepEqual([calls, conflict instanceof ConflictError, conflict.document.data.calls], [3, true, 3]);
	});

	test('initial makes the document, also behind a deletion, and only once', async () => {
		const id = freshId(), all = [make(), make(), make()], add = ({ sync }) => sync.mutate('counters', id, data => void data.n++, { initial: { n: 0 } });
		await assert.rejects(all[0].sync.mutate('counters', id, () => {}), NotFoundError);
		await Promise.all(all.map(add));
		assert.deepEqual((await read('counters', id)).data, { n: 3 });
		await all[0].sync.delete('counters', id);
		await assert.rejects(all[0].sync.mutate('counters', id, () => {}), GoneError);
		assert.deepEqual((await add(all[0])).data, { n: 1 });
	});
});

describe('the constructor', () => {
	test('takes addresses of several kinds', async () => {
		const { url } = site.daemon;
		for (const one of [url, `${url}/`, `${url}/v1/realtime`, url.replace('http', 'ws'), `${url.replace('http', 'ws')}/v1/realtime/`]) {
			const realtime = clients.make(one);
			await realtime.connect();
			assert.equal(realtime.url, url);
		}
		assert.throws(() => clients.make('ftp://x'), TypeError);
		assert.throws(() => clients.make('here'), TypeError);
	});

	test('refuses options that make no sense', () => {
		for (const options of [{ offline: 'x' }, { token: 7 }, { getToken: 'x' }]) assert.throws(() => clients.make(site.daemon.url, options), TypeError, JSON.stringify(options));
		if (!globalThis.WebSocket) assert.throws(() => new Realtime(site.daemon.url), /WebSocket/);
		assert.throws(() => clients.make(undefined), /address is needed/);
	});

	test('does not connect before it is told to, and comes back after close()', async () => {
		const realtime = make({ autoConnect: false });
		await new Promise(resolve => setImmediate(resolve));
		assert.deepEqual([realtime.state, realtime.sockets.length], ['connecting', 0]);
		const id = freshId(), seen = [];
		realtime.subscribe({ topic: 'sync.again.*' }).on('event', e => seen.push(e.payload.revision));
		await realtime.connect();
		await realtime.sync.create('again', {}, { id });
		await until(() => seen.length === 1);
		realtime.close();
		assert.equal(realtime.state, 'closed');
		await assert.rejects(realtime.sync.get('again', id), { code: 'closed' });
		await assert.rejects(realtime.sync.merge('again', id, {}), { code: 'closed' });
		await realtime.connect();
		await realtime.sync.merge('again', id, { a: 1 });
		await until(() => seen.length === 2);
	});
});

test('AuthError is exported for those who need it', () => assert.ok(AuthError.prototype instanceof RealtimeError));
