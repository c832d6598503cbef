// stream_resume.test.js: event streams that come back with Last-Event-ID get what they missed, once and in order, or are told to read again.
// Those that are lost while much happens: stream_resume_busy.test.js.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EventStreams, assertStatus, documentPath, eventsPath, nameOf, putDocument, startPair, topicsPath, until } from './harness.js';
import { lastSequence, positionNow, sequenceOf } from './lib/positions.js';

let pair, rest;
const streams = new EventStreams();
before(async () => {
	pair = await startPair({ settings: { workers: 2, 'ws.ping_interval': 1, 'history.max': 400 } });
	({ rest } = pair);
});
after(async () => {
	streams.closeAll();
	await pair?.stop();
});

const open = (path, lastId, daemon = pair.daemon) => streams.resume(daemon.port, path, lastId);
const write = (service, id, data) => putDocument(rest, service, id, data);
async function writeMany(service, id, count) {
	for (let i = 1; i <= count; i++) await write(service, id, { n: i, list: [i, { i }] });
}

// Nothing but comments until a position not below all writes so far has come: the replay is over then.
async function assertNothingMore(stream, count) {
	const wanted = await lastSequence(pair);
	await until(() => sequenceOf(stream.lastId) >= wanted && !stream.lastId.includes('.'), undefined, () => `a position from ${wanted} on; it is ${stream.lastId}`);
	assert.equal(stream.events.length, count, JSON.stringify(stream.messages.slice(count)).slice(0, 2000));
}

describe('what was missed', () => {
	test('nothing: no event, no resync, and then what is new', async () => {
		await writeMany('nothing', 'a', 2);
		for (const path of [eventsPath('nothing', 'a'), topicsPath('sync.nothing.*')]) {
			const stream = await open(path, await positionNow(pair));
			await assertNothingMore(stream, 0);
			const { revision } = await write('nothing', 'a', { n: 3 });
			await stream.waitFor(1);
			assert.deepEqual(stream.names, [`a:${revision}`]);
		}
	});

	for (const returnMode of ['full', 'diff', 'both'])
		test(`everything that can happen to documents, as a WebSocket gets it by \`after\` (${returnMode})`, async () => {
			const service = `all-${returnMode}`;
			await writeMany(service, 'before', 2);
			const id = await positionNow(pair);
			await writeMany(service, 'a', 3);
			await write(service, 'before', { text: 'é\u2028\n"\\' });
			assertStatus(await rest.delete(documentPath(service, 'before')), 200);
			assertStatus(await rest.post(`${documentPath(service, 'before')}/restore`, { revision: 1 }), 201);
			await write(service, 'b', { b: [] });
			assertStatus(await rest.put(documentPath(service, 'short'), { data: {}, ttl: 1 }), 201);
			const isGone = async () => (await rest.get(documentPath(service, 'short'))).status === 410;
			await until(isGone);
			await write('elsewhere', 'a', {});
			await until(async () => (await rest.get(`${documentPath(service, 'short')}/history`)).json.revisions?.length === 2, undefined, 'the expiry as a write');
			const ws = await pair.daemon.connect();
			await ws.subscribe({ topic: `sync.${service}.*`, returnMode, after: id });
			await until(() => ws.events.length >= 9);
			const stream = await open(`${topicsPath(`sync.${service}.*`)}&returnMode=${returnMode}`, id);
			await stream.waitFor(9);
			assert.deepEqual(stream.messages, ws.events);
			assert.deepEqual(
				stream.messages.filter(message => ['before', 'short'].includes(message.payload.documentId)).map(message => message.topic.split('.')[2]),
				['updated', 'deleted', 'created', 'created', 'expired'],
			);
			await assertNothingMore(stream, 9);
			ws.close();
			// One document, by the same id.
			const one = await open(eventsPath(service, 'before', `?returnMode=${returnMode}`), id);
			await one.waitFor(3);
			assert.deepEqual(one.messages, ws.events.filter(event => event.payload.documentId === 'before'));
			await assertNothingMore(one, 3);
		});

	test('before the first event ever: the id of a stream that got none', async () => {
		const first = await open(topicsPath('sync.first.*'));
		await until(() => first.lastId);
		first.close();
		await writeMany('first', 'a', 2);
		await writeMany('first', 'b', 1);
		const stream = await open(topicsPath('sync.first.*'), first.lastId);
		await stream.waitFor(3);
		assert.deepEqual(stream.names, ['a:1', 'a:2', 'b:1']);
		const one = await open(eventsPath('first', 'b'), first.lastId);
		await one.waitFor(1);
		assert.deepEqual(one.names, ['b:1']);
		const unknown = await open(eventsPath('first', 'never'), first.lastId);
		await assertNothingMore(unknown, 0);
		await write('first', 'never', {});
		await unknown.waitFor(1);
		assert.deepEqual(unknown.names, ['never:1']);
	});

	test('topics that overlap, prefixes, single events: each event once', async () => {
		const id = await positionNow(pair);
		await writeMany('one', 'u42-a', 2);
		await writeMany('two', 'u42-a', 2);
		await writeMany('one', 'u43-a', 2);
		const got = async (path, wanted) => {
			const stream = await open(path, id);
			await stream.waitFor(wanted.length);
			assert.deepEqual(
				stream.messages.map(message => `${message.payload.service}/${nameOf(message)}`),
				wanted,
			);
			await assertNothingMore(stream, wanted.length);
		};
		await got(topicsPath('sync.one.*', 'sync.*.created'), ['one/u42-a:1', 'one/u42-a:2', 'two/u42-a:1', 'one/u43-a:1', 'one/u43-a:2']);
		await got(topicsPath('sync.one.created', 'sync.two.updated', 'sync.one.updated'), ['one/u42-a:1', 'one/u42-a:2', 'two/u42-a:2', 'one/u43-a:1', 'one/u43-a:2']);
		await got(`${topicsPath('sync.one.*', 'sync.two.*')}&documentPrefix=u42-`, ['one/u42-a:1', 'one/u42-a:2', 'two/u42-a:1', 'two/u42-a:2']);
		await got(`${topicsPath('sync.*.updated')}&documentId=u42-a`, ['one/u42-a:2', 'two/u42-a:2']);
		await got(eventsPath('one', 'u43-a', '?event=updated&event=deleted'), ['u43-a'].map(name => `one/${name}:2`));
	});

	test('one document in a service where thousands have changed', async () => {
		const id = await positionNow(pair);
		await writeMany('busy', 'mine', 2);
		// As if: the index is all that is looked at.
		await pair.redis.command('EVAL', "for i = 1, 10001 do redis.call('ZADD', 'syncdoc:index:busy', redis.call('INCR', 'syncdoc:sequence'), 'd' .. i) end", '0');
		const stream = await open(eventsPath('busy', 'mine'), id);
		await stream.waitFor(2);
		assert.deepEqual(stream.names, ['mine:1', 'mine:2']);
		const wide = await open(topicsPath('sync.busy.*', 'sync.none.*'), id);
		await wide.waitFor(2);
		assert.deepEqual(wide.resyncs.map(({ topic, reason }) => `${topic} ${reason}`).sort(), ['sync.busy.* history', 'sync.none.* history']);
		await assertNothingMore(wide, 2);
	});
});

describe('a replay that is broken off', () => {
	const COUNT = 12,
		REVISIONS = 3;

	test('goes on behind the documents that were told, whichever event was the last', async () => {
		const id = await positionNow(pair);
		for (let d = 0; d < COUNT; d++) await writeMany('broken', `d${d}`, REVISIONS);
		const whole = await open(topicsPath('sync.broken.*'), id);
		await whole.waitFor(COUNT * REVISIONS);
		const all = whole.names;
		for (let k = 0; k < all.length; k += k < 6 ? 1 : 5) {
			const stream = await open(topicsPath('sync.broken.*'), whole.events[k].id);
			// Only a document that was not told to its end comes again.
			const wanted = all.slice(k % REVISIONS === REVISIONS - 1 ? k + 1 : k - (k % REVISIONS));
			await stream.waitFor(wanted.length);
			assert.deepEqual(stream.names, wanted, `behind ${all[k]} (${whole.events[k].id})`);
			await assertNothingMore(stream, wanted.length);
		}
	});

	test('again and again, while the same documents are written: nothing is lost, and it ends', async () => {
		const id = await positionNow(pair);
		for (let d = 0; d < COUNT; d++) await writeMany('again', `d${d}`, REVISIONS);
		const held = new Map();
		let lastId = id,
			written = 0;
		for (let round = 0; round < 30; round++) {
			const stream = await open(topicsPath('sync.again.*'), lastId);
			const writing = write('again', `d${(round * 5) % COUNT}`, { round });
			written++;
			await until(() => stream.events.length);
			await writing;
			stream.close();
			for (const { payload } of stream.messages) {
				const revision = held.get(payload.documentId) ?? 0;
				assert.ok(payload.revision <= revision + 1, `${payload.documentId}: ${payload.revision} behind ${revision}`);
				held.set(payload.documentId, Math.max(revision, payload.revision));
			}
			({ lastId = lastId } = stream);
		}
		const last = await open(topicsPath('sync.again.*'), lastId);
		await until(() => {
			for (const { payload } of last.messages) held.set(payload.documentId, Math.max(held.get(payload.documentId) ?? 0, payload.revision));
			return [...held.values()].reduce((sum, revision) => sum + revision, 0) === COUNT * REVISIONS + written;
		});
		assert.deepEqual(last.resyncs, []);
	});
});

describe('what cannot be replayed is a resync, never a refusal', () => {
	async function told(path, id, reasons) {
		const stream = await open(path, id);
		await stream.waitFor(reasons.length);
		assert.deepEqual(stream.resyncs.map(({ topic, reason }) => `${topic} ${reason}`).sort(), reasons);
		// It stands in the present now.
		await until(() => /^[0-9a-f]{8}-\d+$/.test(stream.lastId) && stream.lastId !== id);
		const { revision } = await write('told', 'a', {});
		await until(() => stream.names.includes(`a:${revision}`));
		assert.deepEqual(stream.names, [`a:${revision}`]);
		const again = await open(path, stream.lastId);
		await until(() => sequenceOf(again.lastId ?? 'x-0') >= sequenceOf(stream.lastId));
		assert.deepEqual(again.resyncs, []);
		stream.close();
		again.close();
	}

	test('malformed', async () => {
		for (const id of ['1', 'x', '01234567-', '01234567-1.', '01234567-5.4', '0'.repeat(200), '01234567-1 2'])
			await told(topicsPath('sync.told.*'), id, ['sync.told.* invalid_position']);
		await told(topicsPath('sync.told.*', 'sync.else.created'), '7', ['sync.else.created invalid_position', 'sync.told.* invalid_position']);
	});

	test('empty is as if it were not there', async () => {
		const stream = await open(topicsPath('sync.told.*'), '');
		await until(() => stream.comments.length >= 2);
		assert.deepEqual(stream.events, []);
	});

	test('of another primary', async () => {
		await told(topicsPath('sync.told.*', 'sync.else.*'), '00000000-1', ['sync.else.* failover', 'sync.told.* failover']);
		await told(eventsPath('told', 'a'), '00000000-1.2', ['sync.told.* failover']);
	});

	test('of the future', async () => {
		const [run] = (await positionNow(pair)).split('-');
		await told(topicsPath('sync.told.*'), `${run}-${9e15}`, ['sync.told.* rollback']);
		await told(topicsPath('sync.told.*'), `${run}-1.${9e15}`, ['sync.told.* rollback']);
	});

	test('so old that tombstones are gone', async () => {
		const id = await positionNow(pair);
		await write('told', 'a', {});
		await pair.redis.command('SET', 'syncdoc:purged', String(await lastSequence(pair)));
		await positionNow(pair);
		await told(topicsPath('sync.told.*'), id, ['sync.told.* history']);
		await pair.redis.command('DEL', 'syncdoc:purged');
	});

	test('one document without history: read that one again, the others are replayed', async () => {
		const id = await positionNow(pair);
		await writeMany('gone', 'a', 2);
		await writeMany('gone', 'b', 2);
		await writeMany('gone', 'c', 2);
		await pair.redis.command('DEL', 'syncdoc:history:{syncdoc:data:gone:b}');
		const stream = await open(topicsPath('sync.gone.created', 'sync.gone.updated'), id);
		await stream.waitFor(5);
		assert.deepEqual(stream.messages.map(message => message.reason ?? nameOf(message)), ['a:1', 'a:2', 'history', 'c:1', 'c:2']);
		const [resync] = stream.resyncs;
		assert.deepEqual(resync, { type: 'resync', topic: 'sync.gone.*', service: 'gone', documentId: 'b', reason: 'history' });
		const rest = await open(topicsPath('sync.gone.created', 'sync.gone.updated'), stream.events[2].id);
		await rest.waitFor(2);
		assert.deepEqual(rest.names, ['c:1', 'c:2']);
		await assertNothingMore(rest, 2);
	});
});

test('a browser is told when to come back, and that the line is alive, without losing its place', async () => {
	const id = await positionNow(pair);
	const stream = await open(topicsPath('sync.quiet.*'), id);
	assert.equal(stream.headers['content-type'], 'text/event-stream');
	await until(() => stream.comments.includes('ping'));
	assert.ok(stream.text.startsWith('retry: 1000\n\n'), stream.text);
	assert.ok(sequenceOf(stream.lastId) >= sequenceOf(id));
});
