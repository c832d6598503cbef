// resume.test.js: snapshot on subscribe, resume with since and after: nothing lost, nothing twice, or said so.
// Many clients that drop at random: resume_random.test.js.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { applyDiff, assertStatus, documentPath, nothingUntilPong, putDocument, startPair, until } from './harness.js';
import { lastSequence, positionNow } from './lib/positions.js';

let pair, rest;
before(async () => {
	pair = await startPair({ settings: { workers: 2, 'ws.rate': 100000, 'ws.burst': 100000, 'history.max': 400 } });
	({ rest } = pair);
});
after(() => pair?.stop());

const connect = () => pair.daemon.connect();
const write = (service, id, data) => putDocument(rest, service, id, data);
async function writeMany(service, id, count) {
	const envelopes = [];
	for (let i = 1; i <= count; i++) envelopes.push(await write(service, id, { n: i, list: [i, { i }] }));
	return envelopes;
}
const remove = async (service, id) => assertStatus(await rest.delete(documentPath(service, id)), 200);
const sinceOf = envelope => ({
	createdAt: envelope.createdAt,
	revision: envelope.revision,
	updatedAt: envelope.updatedAt,
});
const revisionsOf = (events, id) =>
	events.filter(event => event.payload.documentId === id).map(event => event.payload.revision);
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('snapshot', () => {
	test('brings the document as it is, then only what is newer', async () => {
		const [, last] = await writeMany('snap', 'a', 2);
		const ws = await connect();
		const answer = await ws.subscribe({ topic: 'sync.snap.*', documentId: 'a', snapshot: true });
		assert.equal(answer.outcome, 'snapshot');
		assert.deepEqual(answer.document, last);
		assert.match(answer.position, /^[0-9a-f]{8}-\d+$/);
		await write('snap', 'a', { n: 3 });
		assert.equal((await ws.event()).payload.revision, 3);
		assert.deepEqual(revisionsOf(ws.events, 'a'), [3]);
		ws.close();
	});

	test('is null where there is no document, and its first event follows', async () => {
		const ws = await connect();
		const answer = await ws.subscribe({ topic: 'sync.snap.*', documentId: 'none', snapshot: true });
		assert.equal(answer.outcome, 'snapshot');
		assert.equal(answer.document, null);
		await write('snap', 'none', { n: 1 });
		assert.equal((await ws.event()).topic, 'sync.snap.created');
		ws.close();
	});

	test('of a tombstone says that it is deleted', async () => {
		await write('snap', 'gone', { n: 1 });
		await remove('snap', 'gone');
		const ws = await connect();
		const answer = await ws.subscribe({ topic: 'sync.snap.*', documentId: 'gone', snapshot: true });
		assert.deepEqual([answer.document.deleted, answer.document.revision], [true, 2]);
		ws.close();
	});

	test('an event between snapshot and subscribe comes once: 40 subscribes while a writer writes', async () => {
		const id = 'between';
		await write('snap', id, { n: 0 });
		let stop = false,
			written = 1;
		const writer = (async () => {
			while (!stop) written = (await write('snap', id, { n: written })).revision;
		})();
		const clients = [];
		for (let i = 0; i < 40; i++) {
			const ws = await connect();
			const returnMode = ['full', 'diff', 'both'][i % 3];
			const answer = await ws.subscribe({ topic: 'sync.snap.*', documentId: id, returnMode, snapshot: true });
			clients.push({ ws, from: answer.document.revision });
		}
		stop = true;
		await writer;
		for (const { ws, from } of clients) {
			await until(() => (revisionsOf(ws.events, id).at(-1) ?? from) >= written);
			assert.deepEqual(revisionsOf(ws.events, id), range(from + 1, written));
			ws.close();
		}
	});

	test('another subscription of the connection still gets what the snapshot does not cover', async () => {
		const ws = await connect();
		await ws.subscribe({ topic: 'sync.other.*' });
		await write('other', 'x', { n: 1 });
		await write('other', 'y', { n: 1 });
		await ws.subscribe({ topic: 'sync.other.updated', documentId: 'x', snapshot: true });
		await write('other', 'y', { n: 2 });
		await until(() => revisionsOf(ws.events, 'y').length === 2 && revisionsOf(ws.events, 'x').length === 1);
		assert.deepEqual(revisionsOf(ws.events, 'x'), [1]);
		assert.deepEqual(revisionsOf(ws.events, 'y'), [1, 2]);
		ws.close();
	});
});

describe('since', () => {
	for (const returnMode of ['full', 'diff', 'both'])
		test(`replays the missed revisions exactly as they were sent (${returnMode})`, async () => {
			const id = `exact-${returnMode}`,
				live = await connect();
			await live.subscribe({ topic: 'sync.since.*', documentId: id, returnMode });
			const envelopes = [await write('since', id, { n: 1, text: 'é' })];
			for (const data of [{ n: 2 }, { n: 2, a: { 'b.c': [1, 2] } }, { n: 2, a: { 'b.c': [] } }])
				envelopes.push(await write('since', id, data));
			await remove('since', id);
			envelopes.push(await write('since', id, { back: true }));
			await rest.post(`${documentPath('since', id)}/restore`, { revision: 3 });
			await remove('since', id);
			await rest.post(`${documentPath('since', id)}/restore`, { revision: 2 });
			await until(() => live.events.length === 9);
			const ws = await connect();
			const answer = await ws.subscribe({
				topic: 'sync.since.*',
				documentId: id,
				returnMode,
				since: sinceOf(envelopes[0]),
			});
			assert.equal(answer.outcome, 'replayed');
			await until(() => ws.events.length === 8);
			// Rebuilt data has its members in an order of its own; all else is the text that was sent.
			const plain = event => [
				event.text
					.replace(/"position":"[^"]*"/, '"position":""')
					.replace(/,"data":(.*?)(,"diff":|}}$)/, ',"data":…$2'),
				event.payload,
			];
			assert.deepEqual(ws.events.map(plain), live.events.slice(1).map(plain));
			for (const event of ws.events) assert.equal(event.position, answer.position);
			ws.close();
			live.close();
		});

	test('diffs that were replayed lead from what the client held to the newest', async () => {
		const envelopes = await writeMany('since', 'walk', 30);
		const ws = await connect();
		await ws.subscribe({ topic: 'sync.since.*', documentId: 'walk', returnMode: 'diff', since: sinceOf(envelopes[4]) });
		await until(() => ws.events.length === 25);
		let held = envelopes[4].data;
		for (const { payload } of ws.events) {
			held = applyDiff(held, payload.diff);
			assert.deepEqual(held, envelopes[payload.revision - 1].data);
		}
		ws.close();
	});

	test('the current revision is live; what is no revision of this document is a snapshot', async () => {
		const envelopes = await writeMany('since', 'judge', 5),
			last = envelopes[4];
		const ask = async since => {
			const ws = await connect();
			const answer = await ws.subscribe({ topic: 'sync.since.*', documentId: 'judge', since });
			assert.ok(await nothingUntilPong(ws, message => answer.outcome !== 'replayed' && message.type === 'event'));
			ws.close();
			if (answer.outcome === 'snapshot') assert.deepEqual(answer.document, last);
			return answer.outcome;
		};
		const { createdAt } = last;
		assert.equal(await ask(sinceOf(last)), 'live');
		assert.equal(await ask({ createdAt, revision: 5 }), 'live');
		assert.equal(await ask({ createdAt, revision: 3 }), 'replayed');
		assert.equal(await ask({ createdAt, revision: 6 }), 'snapshot');
		assert.equal(await ask({ createdAt: createdAt - 1, revision: 3 }), 'snapshot');
		assert.equal(await ask({ ...sinceOf(last), updatedAt: last.updatedAt + 1 }), 'snapshot');
		assert.equal(await ask({ ...sinceOf(envelopes[2]), updatedAt: envelopes[2].updatedAt + 1 }), 'snapshot');
	});

	test('too far back is a snapshot: more than 300 revisions, or more bytes than ws.queue', async () => {
		const many = await writeMany('since', 'many', 302);
		const ask = async (id, since) => {
			const ws = await connect();
			const answer = await ws.subscribe({ topic: 'sync.since.*', documentId: id, since: sinceOf(since) });
			ws.close();
			return answer.outcome;
		};
		assert.equal(await ask('many', many[0]), 'snapshot');
		assert.equal(await ask('many', many[1]), 'replayed');
		const first = await write('since', 'big', { n: 0 });
		for (let i = 0; i < 8; i++) await write('since', 'big', { text: String(i).repeat(60000) });
		assert.equal(await ask('big', first), 'snapshot');
	});

	test('only events that the topic matches are replayed', async () => {
		const [first] = await writeMany('since', 'topic', 3);
		await remove('since', 'topic');
		await write('since', 'topic', { n: 5 });
		for (const [event, revisions] of [
			['updated', [2, 3]],
			['deleted', [4]],
			['created', [5]],
		]) {
			const ws = await connect();
			const answer = await ws.subscribe({
				topic: `sync.since.${event}`,
				documentId: 'topic',
				since: sinceOf(first),
			});
			assert.equal(answer.outcome, 'replayed');
			await until(() => ws.events.length >= revisions.length);
			assert.ok(await nothingUntilPong(ws, () => false));
			assert.deepEqual(revisionsOf(ws.events, 'topic'), revisions);
			ws.close();
		}
	});
});

describe('after', () => {
	test('a position before the first event replays from the first', async () => {
		const { position } = await (await connect()).subscribe({ topic: 'sync.fresh.*' });
		await writeMany('fresh', 'a', 3);
		await writeMany('fresh', 'b', 2);
		const ws = await connect();
		const answer = await ws.subscribe({ topic: 'sync.fresh.*', after: position });
		assert.deepEqual([answer.outcome, answer.position], ['replayed', position]);
		await until(() => ws.events.length >= 5);
		assert.deepEqual(revisionsOf(ws.events, 'a'), [1, 2, 3]);
		assert.deepEqual(revisionsOf(ws.events, 'b'), [1, 2]);
		for (const event of ws.events) assert.equal(event.position, position);
		ws.close();
	});

	test('an idle client that missed nothing is live and gets nothing again', async () => {
		await writeMany('idle', 'a', 3);
		const position = await positionNow(pair);
		for (let i = 0; i < 3; i++) {
			const ws = await connect();
			const answer = await ws.subscribe({ topic: 'sync.idle.*', after: position });
			assert.deepEqual([answer.outcome, answer.position], ['live', position]);
			assert.ok(await nothingUntilPong(ws, message => message.type !== 'pong'));
			ws.close();
		}
	});

	test('wildcards and prefixes narrow what is replayed', async () => {
		const position = await positionNow(pair);
		await writeMany('wild1', 'u42-a', 2);
		await writeMany('wild1', 'u43-a', 2);
		await writeMany('wild2', 'u42-b', 2);
		const got = async (message, count) => {
			const ws = await connect();
			await ws.subscribe({ ...message, after: position });
			await until(() => ws.events.length >= count);
			assert.ok(await nothingUntilPong(ws, message => message.type === 'resync'));
			ws.close();
			return ws.events.map(event => `${event.payload.documentId}:${event.payload.revision}`);
		};
		assert.deepEqual(await got({ topic: 'sync.wild1.*', documentPrefix: 'u42-' }, 2), ['u42-a:1', 'u42-a:2']);
		assert.deepEqual(await got({ topic: 'sync.*.created' }, 3), ['u42-a:1', 'u43-a:1', 'u42-b:1']);
		assert.deepEqual(await got({ topic: 'sync.*.updated', documentPrefix: 'u42-' }, 2), ['u42-a:2', 'u42-b:2']);
	});

	test('what cannot be told is a resync: another run, lost history, purged, too long ago', async () => {
		const position = await positionNow(pair);
		await writeMany('lost', 'a', 2);
		await writeMany('lost', 'b', 2);
		const ask = async (after, reason) => {
			const ws = await connect();
			const answer = await ws.subscribe({ topic: 'sync.lost.*', after });
			const resync = await ws.next(message => message.type === 'resync');
			assert.equal(resync.reason, reason);
			assert.equal(resync.topic, 'sync.lost.*');
			ws.close();
			return [answer, resync];
		};
		await ask('00000000-1', 'failover');
		await ask(`${position.split('-')[0]}-${9e15}`, 'rollback');
		await pair.redis.command('DEL', 'syncdoc:history:{syncdoc:data:lost:b}');
		const [answer, resync] = await ask(position, 'history');
		assert.deepEqual([answer.outcome, resync.service, resync.documentId], ['replayed', 'lost', 'b']);
		await pair.redis.command('SET', 'syncdoc:purged', String(await lastSequence(pair)));
		await positionNow(pair);
		const [refused, all] = await ask(position, 'history');
		await pair.redis.command('DEL', 'syncdoc:purged');
		assert.equal(all.documentId, undefined);
		assert.notEqual(refused.position, position);
	});

	test('a malformed position or since is 400', async () => {
		const ws = await connect();
		const bad = [
			...['', '1', '0123456-1', '0123456g-1', '01234567-', '01234567-x', '01234567-12345678901234567890', 7, {}].map(
				after => ({ topic: 'sync.x.*', after }),
			),
			{ topic: 'sync.x.*', documentId: 'a', after: '01234567-1' },
			{ topic: 'sync.*.*', documentId: 'a', snapshot: true },
			...[1, {}, { revision: 1 }, { createdAt: 1 }, { createdAt: 1, revision: 0 }, { createdAt: 'x', revision: 1 }].map(
				since => ({ topic: 'sync.x.*', documentId: 'a', since }),
			),
		];
		for (const message of bad) {
			const answer = await ws.request({ type: 'subscribe', ...message });
			assert.deepEqual([answer.type, answer.status], ['error', 400], `${JSON.stringify(message)} ${answer.text}`);
		}
		ws.close();
	});

	test('a second reconnect during a replay repeats nothing on its own connection', async () => {
		const position = await positionNow(pair);
		for (let d = 0; d < 30; d++) await writeMany('again', `d${d}`, 4);
		for (let i = 0; i < 5; i++) {
			const first = await connect();
			first.send({ type: 'subscribe', topic: 'sync.again.*', after: position });
			await first.event();
			first.close();
			const second = await connect();
			await second.subscribe({ topic: 'sync.again.*', after: position });
			await until(() => second.events.length >= 120);
			assert.ok(await nothingUntilPong(second, () => false));
			for (let d = 0; d < 30; d++) assert.deepEqual(revisionsOf(second.events, `d${d}`), [1, 2, 3, 4]);
			second.close();
		}
	});

	test('many resumes of one connection come in their order, each complete', async () => {
		const envelopes = [];
		for (let d = 0; d < 20; d++) envelopes.push((await writeMany('order', `d${d}`, 3))[0]);
		const ws = await connect();
		const answers = envelopes.map(envelope =>
			ws.subscribe({ topic: 'sync.order.*', documentId: envelope.id, since: sinceOf(envelope) }),
		);
		for (const answer of await Promise.all(answers)) assert.equal(answer.outcome, 'replayed');
		await until(() => ws.events.length >= 40);
		const order = ws.events.map(event => `${event.payload.documentId}:${event.payload.revision}`);
		assert.deepEqual(
			order,
			envelopes.flatMap(envelope => [`${envelope.id}:2`, `${envelope.id}:3`]),
		);
		ws.close();
	});
});
