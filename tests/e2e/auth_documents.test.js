// auth_documents.test.js: rights on some documents only: lists, counts, wide subscriptions, streams, replays, and what a refresh changes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EventStream, Redis, assertProblem, assertStatus, bearer, documentPath, nothingUntilPong, until, withDaemon } from './harness.js';
import { Guarded } from './lib/guarded.js';

const rights = { p: { rights: 'rwp', documents: ['u42-*', 'lobby', 'zz-*'] } };
const ids = ['a', 'lobby', 'lobby2', 'u4', 'u42-', 'u42-1', 'u42-2', 'u43-1', 'zy', 'zz-9'];
const seen = ['lobby', 'u42-', 'u42-1', 'u42-2', 'zz-9'];

let redis, guarded, daemon, admin, rest, headers;
before(async () => {
	redis = await Redis.start();
	guarded = await Guarded.start(redis);
	({ daemon, admin, rest } = guarded);
	headers = bearer(made(rights));
	for (const id of ids) await put('p', id);
});
after(async () => {
	await guarded?.stop();
	await redis?.stop();
});

const made = (rights, claims) => guarded.token(rights, claims);
const as = (rights, claims) => guarded.as(rights, claims);
const put = (service, id, data) => guarded.put(service, id, data);

const pages = async (query, of = headers) => {
	const found = [];
	let next = '';
	do {
		const page = assertStatus(await rest.get(`/v1/services/p/documents?${query}${next && `&page_token=${next}`}`, of), 200);
		found.push(...page.items.map(item => item.id));
		next = page.next_page_token ?? '';
		// A token must not name what may not be seen.
		for (const id of ids) if (!seen.includes(id) && id.length > 2) assert.ok(!next.endsWith(id), next);
	} while (next);
	return found;
};

test('lists have what they allow, in both orders and in pages of any size', async () => {
	for (const size of [1, 2, 3, 100]) {
		assert.deepEqual(await pages(`order=id&page_size=${size}`), seen);
		assert.deepEqual(await pages(`order=updated&page_size=${size}`), [...seen].reverse());
		assert.deepEqual(await pages(`order=id&prefix=u&page_size=${size}`), ['u42-', 'u42-1', 'u42-2']);
		assert.deepEqual(await pages(`order=id&prefix=u42-1&page_size=${size}`), ['u42-1']);
		assert.deepEqual(await pages(`order=id&prefix=l&page_size=${size}`), ['lobby']);
		assert.deepEqual(await pages(`order=id&prefix=lobby2&page_size=${size}`), []);
		assert.deepEqual(await pages(`order=updated&prefix=z&page_size=${size}`), ['zz-9']);
	}
	const ws = await daemon.connect({ headers });
	const list = await ws.request({ type: 'sync.list', service: 'p', order: 'id' });
	assert.deepEqual(list.items.map(item => item.id), seen);
	// A page token of somebody who sees all leads no further.
	const full = assertStatus(await rest.get('/v1/services/p/documents?order=id&page_size=3', admin), 200);
	const rest2 = assertStatus(await rest.get(`/v1/services/p/documents?order=id&page_token=${full.next_page_token}`, headers), 200);
	assert.deepEqual(rest2.items.map(item => item.id), seen.slice(1));
});

test('an id and what begins with it and more are listed once', async () => {
	const of = bearer(made({ once: { rights: 'r', documents: ['e1', 'e1-*', 'e', 'f*'] } }));
	for (const id of ['e1-1', 'e1-2', 'e2', 'e10', 'f']) await put('once', id);
	const list = async size => {
		const found = [];
		let next = '';
		do {
			const page = assertStatus(await rest.get(`/v1/services/once/documents?order=id&page_size=${size}${next}`, of), 200);
			found.push(...page.items.map(item => item.id));
			next = page.next_page_token ? `&page_token=${page.next_page_token}` : '';
		} while (next);
		return found;
	};
	for (const size of [1, 2, 10]) assert.deepEqual(await list(size), ['e1-1', 'e1-2', 'f']);
	await put('once', 'e1');
	for (const size of [1, 2, 10]) assert.deepEqual(await list(size), ['e1', 'e1-1', 'e1-2', 'f']);
});

test('counts and batchGet', async () => {
	const count = async of => {
		const { items } = assertStatus(await rest.get('/v1/services', of), 200);
		return Object.fromEntries(items.map(item => [item.service, item.documents]));
	};
	assert.deepEqual(await count(headers), { p: seen.length });
	assert.equal((await count(admin)).p, ids.length);
	assertStatus(await rest.delete(documentPath('p', 'zz-9'), admin), 200);
	assert.deepEqual(await count(headers), { p: seen.length - 1 });
	assertStatus(await rest.put(documentPath('p', 'zz-9'), { data: {} }, admin), 201);
	assert.deepEqual(await count(bearer(made({ p: 'w', '*': { rights: 'r', documents: ['nothing'] } }))), {});
	assert.deepEqual(await count(bearer(made({ p: { rights: 'r', documents: [] } }))), {});
	const got = assertStatus(await rest.post('/v1/services/p/documents:batchGet', { ids: ['a', 'u42-1', 'lobby2', 'lobby'] }, headers), 200);
	assert.deepEqual(got.items.map(item => item.id), ['u42-1', 'lobby']);
});

test('ids that the server makes are allowed where all of them are', async () => {
	assertProblem(await rest.post('/v1/services/p/documents', {}, headers), 403, 'forbidden');
	const made2 = bearer(made({ p: { rights: 'w', documents: ['doc_*'] } }));
	assertStatus(await rest.post('/v1/services/g/documents', {}, bearer(made({ g: { rights: 'w', documents: ['doc_*'] } }))), 201);
	assertProblem(await rest.post('/v1/services/p/documents', { id: 'x' }, made2), 403, 'forbidden');
});

const touch = async id => assertStatus(await rest.patch(documentPath('p', id), { data: { n: Math.random() } }, undefined, admin), 200);
const documentOf = message => message.payload.documentId;

test('wide subscriptions and streams bring what they allow, presence included', async () => {
	const ws = await daemon.connect({ headers }), wide = await daemon.connect({ headers });
	await ws.subscribe({ topic: 'sync.p.updated', presence: true });
	await wide.subscribe({ topic: 'sync.*.*' });
	const stream = await EventStream.open(daemon.port, '/v1/events?topic=sync.p.*', { headers });
	const boss = await daemon.connect({ headers: admin });
	for (const id of ids) await touch(id);
	for (const id of ['a', 'lobby', 'u43-1']) await boss.request({ type: 'presence.join', service: 'p', documentId: id });
	for (const client of [ws, wide]) {
		for (const id of seen) assert.equal(documentOf(await client.event(message => message.topic === 'sync.p.updated')), id);
		assert.equal(documentOf(await client.event(message => message.topic === 'sync.p.presence')), 'lobby');
	}
	await touch('a');
	await touch('u42-1');
	for (const client of [ws, wide]) {
		// Not just any: what was written before the subscribe may still come after it.
		assert.equal(documentOf(await client.event(message => message.topic === 'sync.p.updated')), 'u42-1');
		assert.ok(await nothingUntilPong(client, message => message.type === 'event'));
	}
	await stream.waitFor(seen.length + 2);
	assert.deepEqual(new Set(stream.messages.map(documentOf)), new Set(seen));
	stream.close();
});

// On a daemon of its own: there are no others, nor some that are just going.
test('equal rights share an audience, others do not', () => withDaemon(daemon.options, async own => {
	const gauge = async () => {
		const { text } = await own.rest.get('/metrics');
		return Number(/^syncdoc_audiences\{[^}]*\} (\d+)/m.exec(text)?.[1] ?? /^syncdoc_audiences (\d+)/m.exec(text)[1]);
	};
	const open = async (who, sub) => {
		const ws = await own.connect(as(who, { sub }));
		await ws.subscribe({ topic: 'sync.p.deleted' });
	};
	for (const sub of ['ann', 'bob', 'carl']) await open(rights, sub);
	await until(async () => (await gauge()) === 1, undefined, () => 'one audience');
	await open({ p: { rights: 'r', documents: ['u42-*'] } }, 'dora');
	await until(async () => (await gauge()) === 2, undefined, () => 'two audiences');
	for (const [sub, who] of [['eve', { p: 'rp' }], ['fay', { '*': 'rp' }]]) await open(who, sub);
	await until(async () => (await gauge()) === 3, undefined, () => 'three audiences');
}));

test('after replays what they allow', async () => {
	const ws = await daemon.connect({ headers });
	const { position } = await ws.subscribe({ topic: 'sync.p.*' });
	ws.close();
	const revisions = {};
	for (const id of ids) revisions[id] = (await touch(id)).revision;
	const again = await daemon.connect({ headers });
	const answer = await again.subscribe({ topic: 'sync.p.*', after: position });
	assert.equal(answer.outcome, 'replayed');
	// What came shortly before may come again.
	for (const id of seen)
		await again.event(message => documentOf(message) === id && message.payload.revision === revisions[id]);
	assert.ok(await nothingUntilPong(again, message => message.type === 'resync'));
	assert.deepEqual(again.events.map(documentOf).filter(id => !seen.includes(id)), []);
	// The same for a stream that comes back.
	const stream = await EventStream.open(daemon.port, '/v1/events?topic=sync.p.*', {
		headers: { ...headers, 'Last-Event-ID': position },
	});
	const has = id => stream.messages.some(({ payload }) => payload?.documentId === id && payload.revision === revisions[id]);
	await until(() => seen.every(has), undefined, () => 'all that was missed');
	assert.deepEqual(stream.messages.filter(message => message.type !== 'event' || !seen.includes(documentOf(message))), []);
	stream.close();
});

test('after a refresh what is not allowed any more ends, and what changed says so', async () => {
	const ws = await daemon.connect(as({ p: 'rwp', q: 'r', z: 'r' }));
	await ws.subscribe({ topic: 'sync.p.updated' });
	await ws.subscribe({ topic: 'sync.p.*', documentId: 'a' });
	await ws.subscribe({ topic: 'sync.p.*', documentId: 'u42-1' });
	await ws.subscribe({ topic: 'sync.q.updated', documentPrefix: 'x' });
	await ws.subscribe({ topic: 'sync.z.updated' });
	for (const id of ['a', 'u42-1'])
		assert.equal((await ws.request({ type: 'presence.join', service: 'p', documentId: id })).type, 'result');
	await touch('a');
	assert.equal(documentOf(await ws.event(message => message.topic === 'sync.p.updated')), 'a');

	const answer = await ws.request({ type: 'auth', token: made({ ...rights, z: 'r' }) });
	assert.equal(answer.type, 'result');
	const ended = [await ws.next(message => message.type === 'error'), await ws.next(message => message.type === 'error')];
	assert.deepEqual(
		ended.map(({ code, status, topic, documentId, documentPrefix }) => ({ code, status, topic, documentId, documentPrefix })).sort((a, b) => a.topic.localeCompare(b.topic)),
		[
			{ code: 'forbidden', status: 403, topic: 'sync.p.*', documentId: 'a', documentPrefix: undefined },
			{ code: 'forbidden', status: 403, topic: 'sync.q.updated', documentId: undefined, documentPrefix: 'x' },
		],
	);
	const resync = await ws.next(message => message.type === 'resync');
	assert.deepEqual([resync.topic, resync.documentId, resync.reason], ['sync.p.updated', undefined, 'rights']);
	ws.unread.length = 0;
	for (const id of ['a', 'u43-1', 'u42-1']) await touch(id);
	assert.equal(documentOf(await ws.event(message => message.topic === 'sync.p.updated')), 'u42-1');
	assert.ok(await nothingUntilPong(ws, message => ['error', 'resync'].includes(message.type) || message.topic === 'sync.p.updated'));
	// It has left where it may not be.
	await until(async () => (await rest.get(`${documentPath('p', 'a')}/presence`, admin)).json.count === 1, undefined, () => 'left');
	assert.equal((await ws.request({ type: 'presence.list', service: 'p', documentId: 'u42-1' })).count, 1);
	assert.equal((await ws.request({ type: 'sync.get', service: 'p', documentId: 'a' })).status, 403);

	// And back: more rights.
	await ws.request({ type: 'auth', token: made({ p: 'rwp', z: 'r' }) });
	assert.equal((await ws.next(message => message.type === 'resync')).topic, 'sync.p.updated');
	await touch('u43-1');
	assert.equal(documentOf(await ws.event(message => message.payload.documentId === 'u43-1')), 'u43-1');
});
