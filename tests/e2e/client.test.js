// client.test.js: the JavaScript client against a real server: documents, events, live documents, presence.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { AuthError, ConflictError, GoneError, NotFoundError, Realtime, RealtimeError } from '../../workers/web/client/realtime.js';
import { documentPath, startPair, until } from './harness.js';
import { Clients } from './lib/client.js';

let pair, rest, names = 0;
const clients = new Clients();
before(async () => {
	pair = await startPair({ settings: { workers: 2, 'ws.rate': 10000, 'ws.burst': 10000, 'ws.max_message': '8KiB' } });
	({ rest } = pair);
});
after(() => pair?.stop());
afterEach(() => clients.closeAll());

const make = options => clients.make(pair.daemon.url, options);
const freshId = () => `doc_${++names}`;
const read = async (service, id) => (await rest.get(documentPath(service, id))).json;

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
		const put = await rest.request('PUT', documentPath('ops', id), { body: '{"data":{"n":9007199254740993}}', headers: { 'Content-Type': 'application/json' } });
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
			if (++calls < 3) await rest.patch(documentPath('counters', id), { data: { other: calls } });
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
			await rest.patch(documentPath('counters', id), { data: { calls } });
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

describe('events', () => {
	test('subscribe and write before the connection is open, nothing awaited', async () => {
		const realtime = make(), id = freshId(), seen = [];
		realtime.on('event:sync.early.updated', e => seen.push(e.payload));
		const subscription = realtime.subscribe({ topic: 'sync.early.*', returnMode: 'both' });
		realtime.sync.create('early', { a: 1 }, { id });
		await realtime.sync.merge('early', id, { b: 2 });
		const [payload] = await until(() => seen.length && seen);
		assert.equal(payload.connectionId, realtime.connectionId);
		assert.deepEqual([payload.service, payload.documentId, payload.revision, payload.data, payload.diff], ['early', id, 2, { a: 1, b: 2 }, { added: { b: 2 }, removed: [], changed: {} }]);
		const { outcome, position } = await subscription.ready;
		assert.equal(outcome, 'live');
		assert.match(position, /^[0-9a-f]{8}-\d+$/);
	});

	test('wildcards, once and off', async () => {
		const realtime = make(), id = freshId(), seen = [], note = name => ({ topic, payload }) => seen.push(`${name} ${topic} ${payload.revision}`);
		realtime.on('event:sync.*.created', note('created'));
		realtime.on('event:sync.wild.*', note('service'));
		realtime.on('event:*', note('all'));
		realtime.once('event:*', note('once'));
		const off = realtime.on('event:sync.wild.deleted', note('taken off'));
		off();
		const listener = note('off too');
		realtime.on('event:sync.*.*', listener);
		realtime.off('event:sync.*.*', listener);
		realtime.on('event:sync.other.*', note('other'));
		await realtime.subscribe({ topic: 'sync.wild.*' }).ready;
		await realtime.sync.create('wild', {}, { id });
		await realtime.sync.delete('wild', id);
		await until(() => seen.length >= 6);
		assert.deepEqual(seen.sort(), ['all sync.wild.created 1', 'all sync.wild.deleted 2', 'created sync.wild.created 1', 'once sync.wild.created 1', 'service sync.wild.created 1', 'service sync.wild.deleted 2']);
	});

	test('a listener that throws does not keep the others from hearing', async () => {
		const realtime = make(), id = freshId(), seen = [];
		realtime.on('event:sync.throw.*', () => { throw new Error('mine'); });
		realtime.on('event:sync.throw.*', e => seen.push(e.payload.revision));
		await realtime.subscribe({ topic: 'sync.throw.*' }).ready;
		await realtime.sync.create('throw', {}, { id });
		await until(() => seen.length);
		assert.deepEqual(realtime.errors.map(error => error.message), ['mine']);
	});

	test('equal subscriptions share one of the server; the last to go ends it', async () => {
		const realtime = make(), id = freshId(), options = { topic: 'sync.share.*', documentId: id, presence: false };
		const full = realtime.subscribe({ ...options, returnMode: 'full' }), diff = realtime.subscribe({ ...options, returnMode: 'diff' }), seen = { full: [], diff: [] };
		full.on('event', e => seen.full.push(e.payload));
		diff.on('event', e => seen.diff.push(e.payload));
		await Promise.all([full.ready, diff.ready]);
		await realtime.sync.create('share', { a: 1 }, { id });
		await until(() => seen.full.length && seen.diff.length);
		assert.ok(seen.full[0].data && seen.diff[0].diff);
		full.unsubscribe();
		await realtime.sync.merge('share', id, { a: 2 });
		await until(() => seen.diff.length === 2);
		const late = realtime.subscribe({ ...options });
		assert.equal((await late.ready).document.revision, 2);
		late.unsubscribe();
		diff.unsubscribe();
		await realtime.sync.merge('share', id, { a: 3 });
		await realtime.subscribe({ topic: 'sync.share.updated' }).ready;
		await realtime.sync.merge('share', id, { a: 4 });
		assert.deepEqual([seen.full.map(one => one.revision), seen.diff.map(one => one.revision)], [[1], [1, 2]]);
	});

	test('refused subscriptions say so, and leave no unhandled rejection', async () => {
		const realtime = make(), bad = { topic: 'sync.x.*', documentId: 'a b' }, subscription = realtime.subscribe(bad);
		await until(() => realtime.errors.length);
		assert.deepEqual([realtime.errors[0].code, subscription.isActive], ['invalid_id', false]);
		await assert.rejects(subscription.ready, { code: 'invalid_id' });
		await assert.rejects(realtime.document('s', 'a b'), { code: 'invalid_id' });
		for (const options of [{ topic: 'session' }, { topic: 'sync.a.b' }, { topic: 'sync.a.*', returnMode: 'x' }, { topic: 'sync.a.*', documentId: 'x', documentPrefix: 'y' }, { topic: 'sync.a.*', snapshot: true }])
			assert.throws(() => realtime.subscribe(options), TypeError, JSON.stringify(options));
		assert.throws(() => realtime.on('open'), TypeError);
	});

	test('a prefix narrows, and since resumes by hand', async () => {
		const realtime = make(), seen = [], prefix = `${freshId()}-`, id = `${prefix}a`;
		realtime.subscribe({ topic: 'sync.narrow.*', documentPrefix: prefix }).on('event', e => seen.push([e.payload.documentId, e.payload.revision]));
		const first = await realtime.sync.create('narrow', {}, { id });
		await realtime.sync.create('narrow', {}, { id: freshId() });
		await realtime.sync.merge('narrow', id, { a: 1 });
		await until(() => seen.length === 2);
		assert.deepEqual(seen, [[id, 1], [id, 2]]);
		const since = realtime.subscribe({ topic: 'sync.narrow.*', documentId: id, since: { createdAt: first.createdAt, revision: 1 } }), missed = [];
		since.on('event', e => missed.push(e.payload.revision));
		assert.equal((await since.ready).outcome, 'replayed');
		await until(() => missed.length);
		assert.deepEqual([missed, seen.length], [[2], 2]);
	});
});

describe('a live document', () => {
	test('is read, follows every change, and shows own writes when they are done', async () => {
		const a = make(), b = make(), id = freshId(), changes = [];
		await a.sync.create('live', { list: [1], text: 'x' }, { id });
		const mine = await a.document('live', id), theirs = await b.document('live', id);
		theirs.on('changed', change => changes.push([change.type, change.revision, change.isOwn]));
		assert.deepEqual([mine.data, mine.revision, mine.exists], [{ list: [1], text: 'x' }, 1, true]);
		const before = mine.data;
		const envelope = await mine.merge({ text: 'y' }, { expectedRevision: 1 });
		assert.deepEqual([mine.data, mine.revision, envelope.revision], [{ list: [1], text: 'y' }, 2, 2]);
		assert.deepEqual(before, { list: [1], text: 'x' }, 'data that was handed out stays as it was');
		await mine.patch([{ op: 'add', path: '/list/-', value: { a: 1 } }]);
		await mine.mutate(data => void data.list.push(3), { ttl: 100 });
		await until(() => theirs.revision === 4);
		assert.deepEqual(theirs.data, { list: [1, { a: 1 }, 3], text: 'y' });
		await theirs.replace({ new: true });
		await until(() => mine.revision === 5);
		await mine.delete();
		await until(() => theirs.deleted);
		assert.deepEqual([theirs.exists, theirs.data], [false, { new: true }]);
		await theirs.restore(2);
		await until(() => mine.exists);
		assert.deepEqual([mine.data, mine.createdAt], [{ list: [1], text: 'y' }, (await read('live', id)).createdAt]);
		assert.deepEqual(changes, [['updated', 2, false], ['updated', 3, false], ['updated', 4, false], ['updated', 5, true], ['deleted', 6, false], ['created', 7, true]]);
	});

	test('of what is not there yet, and closed', async () => {
		const realtime = make(), id = freshId(), document = await realtime.document('live', id), types = [];
		assert.deepEqual([document.data, document.revision, document.exists], [null, 0, false]);
		document.on('changed', ({ type }) => types.push(type));
		await document.create({ a: 1 });
		assert.deepEqual([document.data, document.exists, types], [{ a: 1 }, true, ['created']]);
		const again = await realtime.document('live', id);
		assert.deepEqual(again.data, { a: 1 });
		document.close();
		await again.merge({ a: 2 });
		assert.deepEqual([again.data, document.data, document.isClosed, types], [{ a: 2 }, { a: 1 }, true, ['created']]);
		again.close();
	});

	test('two of one document, in all modes, with other subscriptions between, stay equal', async () => {
		const realtime = make(), writer = make(), id = freshId();
		await writer.sync.create('live', { n: 0 }, { id });
		const writing = (async () => {
			for (let n = 1; n <= 60; n++) await writer.sync.merge('live', id, { n, list: Array.from({ length: n % 7 }, (_, i) => i * n) });
		})();
		const documents = [];
		for (const returnMode of ['diff', 'full', 'both', 'diff']) {
			documents.push(await realtime.document('live', id, { returnMode }));
			realtime.subscribe({ topic: 'sync.live.updated', documentId: id, presence: false });
			await realtime.sync.get('live', id);
		}
		await writing;
		const final = await read('live', id);
		await until(() => documents.every(document => document.revision === final.revision));
		for (const document of documents) assert.deepEqual(document.data, final.data);
		assert.deepEqual(realtime.resyncs.filter(one => one.reason === 'hole'), []);
	});

	test('expires', async () => {
		const realtime = make(), id = freshId(), document = await realtime.document('live', id), types = [];
		document.on('changed', ({ type }) => types.push(type));
		await document.create({ a: 1 }, { ttl: 1 });
		await until(() => types.includes('expired'));
		assert.deepEqual([document.exists, document.deleted, types], [false, true, ['created', 'expired']]);
		await assert.rejects(document.merge({ a: 2 }), error => error instanceof GoneError && error.code === 'document_expired');
	});
});

describe('presence', () => {
	test('join, update, leave, list and what others see', async () => {
		const ann = make(), bob = make(), id = freshId(), seen = [];
		const stop = bob.presence.on('room', id, change => seen.push(change));
		await until(() => seen.length);
		assert.deepEqual([seen[0].members, seen[0].count], [[], 0]);
		const joined = await ann.presence.join('room', id, { mode: 'editing', data: { name: 'Änn' } });
		assert.deepEqual([joined.count, joined.member.mode, joined.member.data], [1, 'editing', { name: 'Änn' }]);
		await until(() => seen.at(-1).members.length === 1);
		assert.deepEqual(seen.at(-1).joined, [joined.member]);
		await ann.presence.update('room', id, { mode: 'viewing' });
		await until(() => seen.at(-1).members[0]?.mode === 'viewing');
		assert.deepEqual(seen.at(-1).members[0].data, { name: 'Änn' });
		const list = await bob.presence.list('room', id);
		assert.deepEqual([list.count, list.members], [1, seen.at(-1).members]);
		const later = [];
		bob.presence.on('room', id, change => later.push(change));
		await until(() => later.length);
		assert.deepEqual(later[0].members, list.members);
		await ann.presence.leave('room', id);
		await until(() => seen.at(-1).count === 0);
		assert.deepEqual([seen.at(-1).members, seen.at(-1).left.length], [[], 1]);
		stop();
		await assert.rejects(ann.presence.leave('room', id), { code: 'not_present' });
		await assert.rejects(ann.presence.join('room', id, { mode: 'sleeping' }), { code: 'invalid_member' });
	});

	test('it is put down again on a new connection, with its newest mode and data', async () => {
		const ann = make(), bob = make(), id = freshId(), seen = [];
		bob.presence.on('room', id, change => seen.push(change));
		await ann.presence.join('room', id, { mode: 'editing', data: { n: 1 } });
		await ann.presence.update('room', id, { data: { n: 2 } });
		const first = ann.connectionId;
		Clients.drop(ann);
		await until(() => ann.connectionId !== first && seen.at(-1).members.some(one => one.connectionId === ann.connectionId) && seen.at(-1).members.length === 1);
		const [member] = seen.at(-1).members;
		assert.deepEqual([member.mode, member.data, member.connectionId], ['editing', { n: 2 }, ann.connectionId]);
		await ann.presence.leave('room', id);
		Clients.drop(ann);
		await ann.connect();
		await until(() => seen.at(-1).count === 0);
		assert.equal((await ann.presence.list('room', id)).count, 0);
	});

	test('one that was refused is not tried again', async () => {
		const realtime = make(), id = freshId();
		await assert.rejects(realtime.presence.join('room', id, { data: { x: 'y'.repeat(2000) } }), { code: 'presence_too_large' });
		Clients.drop(realtime);
		await until(() => realtime.states.at(-1).state === 'open' && realtime.states.length > 2);
		assert.equal((await realtime.presence.list('room', id)).count, 0);
		assert.deepEqual(realtime.errors, []);
	});
});

describe('the constructor', () => {
	test('takes addresses of several kinds', async () => {
		const { url } = pair.daemon;
		for (const one of [url, `${url}/`, `${url}/v1/realtime`, url.replace('http', 'ws'), `${url.replace('http', 'ws')}/v1/realtime/`]) {
			const realtime = clients.make(one);
			await realtime.connect();
			assert.equal(realtime.url, url);
		}
		assert.throws(() => clients.make('ftp://x'), TypeError);
		assert.throws(() => clients.make('here'), TypeError);
	});

	test('refuses options that make no sense', () => {
		for (const options of [{ offline: 'x' }, { token: 7 }, { getToken: 'x' }]) assert.throws(() => clients.make(pair.daemon.url, options), TypeError, JSON.stringify(options));
		if (!globalThis.WebSocket) assert.throws(() => new Realtime(pair.daemon.url), /WebSocket/);
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
