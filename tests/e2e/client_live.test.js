// client_live.test.js: the JavaScript client against a real server: events, documents that keep themselves current, presence.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GoneError } from '../../workers/web/client/realtime.js';
import { until } from './harness.js';
import { Clients, useClients } from './lib/client.js';

const { make, freshId, read } = useClients({ workers: 2, 'ws.rate': 10000, 'ws.burst': 10000, 'ws.max_message': '8KiB' });

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
