// client_missed.test.js: what the JavaScript client does about events, diffs and answers that it missed, against a server that leaves them out on demand.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { AuthError } from '../../workers/web/client/realtime.js';
import { inTime, until } from './harness.js';
import { Clients } from './lib/client.js';
import { Mocks, envelopeOf, eventOf } from './lib/mock_server.js';

const clients = new Clients(), mocks = new Mocks();
afterEach(async () => {
	clients.closeAll();
	await mocks.stopAll();
});
const make = (mock, options) => clients.make(mock.url, options);
const SHOWN_MS = 1000; // so long the client waits for the event of an own write

describe('what was missed', () => {
	test('a topic goes on after the last live position, not after one of a replay', async () => {
		const mock = await mocks.start(), realtime = make(mock), seen = [];
		realtime.subscribe({ topic: 'sync.s.*' }).on('event', ({ payload }) => seen.push([payload.documentId, payload.revision]));
		const first = await mock.peer();
		await first.next('subscribe');
		first.send(eventOf({ id: 'a', revision: 1, position: '00000000-5' }));
		first.send(eventOf({ id: 'a', revision: 2, position: '00000000-7' }));
		await until(() => seen.length === 2);
		first.drop();
		const second = await mock.peer(2), subscribe = await second.next('subscribe');
		assert.equal(subscribe.after, '00000000-7');
		for (const [id, revision] of [['a', 1], ['a', 2], ['a', 3], ['b', 1]]) second.send(eventOf({ id, revision, position: '00000000-7' }));
		await until(() => seen.length === 4);
		assert.deepEqual(seen, [['a', 1], ['a', 2], ['a', 3], ['b', 1]]);
		second.drop();
		assert.equal((await (await mock.peer(3)).next('subscribe')).after, '00000000-7');
	});

	test('a replay for one topic does not take another one back', async () => {
		const mock = await mocks.start(), realtime = make(mock), seen = [], topic = realtime.subscribe({ topic: 'sync.s.*' });
		topic.on('event', ({ payload }) => seen.push(payload.revision));
		await topic.ready;
		await realtime.subscribe({ topic: 'sync.s.updated', after: '00000000-0' }).ready;
		mock.peers[0].send(eventOf({ revision: 1, position: '00000000-0' }));
		await until(() => seen.length);
		assert.equal(topic.position, '00000000-1');
		mock.peers[0].drop();
		assert.equal((await (await mock.peer(2)).next('subscribe', one => one.topic === 'sync.s.*')).after, '00000000-1');
	});

	test('a write to a live document is done when its event has come, or does not', async () => {
		const mock = await mocks.start({ answer: ({ type, topic, data }) => (type === 'subscribe' ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelopeOf(3) } : type === 'sync.merge' ? { type: 'result', document: envelopeOf(data.n) } : undefined) });
		const diff = { added: {}, removed: [], changed: { n: { from: 3, to: 4 } } };
		const [document, diffs] = await inTime(SHOWN_MS, async () => {
			const realtime = make(mock), document = await realtime.document('s', 'x'), diffs = [], peer = mock.peers.at(-1);
			document.on('updated', ({ diff }) => diffs.push(diff));
			let isDone = false;
			const first = document.merge({ n: 4 }).then(() => (isDone = true));
			await peer.next('sync.merge');
			await realtime.sync.merge('s', 'x', { n: 4 });
			assert.equal(isDone, false);
			peer.send(eventOf({ revision: 4, diff }));
			await first;
			assert.deepEqual([document.data, diffs], [{ n: 4 }, [diff]]);
			return [document, diffs];
		}, { factor: 1, repeats: 2 });
		await document.merge({ n: 5 }); // without an event
		assert.deepEqual([document.data, document.revision, diffs], [{ n: 5 }, 5, [diff, undefined]]);
	});

	test('a document goes on from its revision; a snapshot instead of that is said', async () => {
		const mock = await mocks.start({ answer: message => (message.type === 'subscribe' ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelopeOf(message.since ? 9 : 3) } : undefined) });
		const realtime = make(mock), document = await realtime.document('s', 'x'), changes = [];
		document.on('changed', change => changes.push([change.type, change.revision, change.snapshot]));
		mock.peers[0].send(eventOf({ revision: 4, diff: { added: {}, removed: [], changed: { n: { from: 3, to: 4 } } } }));
		await until(() => document.revision === 4);
		mock.peers[0].drop();
		await until(() => document.revision === 9);
		assert.deepEqual((await mock.peers[1].next('subscribe')).since, { createdAt: 1001, revision: 4, updatedAt: 1004 });
		assert.deepEqual(changes, [['updated', 4, undefined], ['updated', 9, true]]);
		assert.deepEqual(realtime.resyncs.map(({ reason, recovering, document: now }) => [reason, recovering, now.revision]), [['snapshot', false, 9]]);
	});

	test('a hole in a document is filled by asking since what is held; events meanwhile are not taken twice', async () => {
		const diff = n => ({ added: {}, removed: [], changed: { n: { from: n - 1, to: n } } });
		const mock = await mocks.start({ answer: message => (message.type === 'subscribe' && !message.since ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelopeOf(3) } : undefined) });
		const realtime = make(mock), document = await realtime.document('s', 'x'), revisions = [], [peer] = mock.peers;
		document.on('changed', ({ revision }) => revisions.push(revision));
		peer.send(eventOf({ revision: 5, diff: diff(5) }));
		peer.send(eventOf({ revision: 6, diff: diff(6) }));
		const again = await peer.next('subscribe', ({ since }) => since);
		assert.equal(again.since.revision, 3);
		for (const revision of [4, 5, 6, 7]) peer.send(eventOf({ revision, diff: diff(revision) }));
		await until(() => document.revision === 7);
		assert.deepEqual([revisions, document.data.n, realtime.resyncs.map(({ reason, recovering }) => [reason, recovering])], [[4, 5, 6, 7], 7, [['hole', true]]]);
		assert.equal(peer.of('subscribe').length, 2);
	});

	test('a diff that does not fit is answered by reading the document', async () => {
		const mock = await mocks.start({ answer: ({ type, topic }, peer) => (type === 'subscribe' ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelopeOf(peer.of('subscribe').length + 2) } : undefined) });
		const realtime = make(mock), document = await realtime.document('s', 'x');
		mock.peers[0].send(eventOf({ revision: 4, diff: { added: {}, removed: ['not.there'], changed: {} } }));
		await until(() => document.revision === 4);
		assert.deepEqual([document.data, mock.peers[0].of('subscribe')[1].snapshot, realtime.resyncs[0].reason], [{ n: 4 }, true, 'misfit']);
	});

	test('each resync is told, and followed by what the client can do itself', async () => {
		const mock = await mocks.start({ answer: message => (message.type === 'subscribe' && message.snapshot ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelopeOf(3) } : undefined) });
		const realtime = make(mock), told = { topic: [], other: [], document: [] };
		const topic = realtime.subscribe({ topic: 'sync.s.*' }), other = realtime.subscribe({ topic: 'sync.t.updated' });
		const document = await realtime.document('s', 'x'), [peer] = mock.peers;
		topic.on('resync', ({ reason, documentId, recovering }) => told.topic.push([reason, documentId, recovering]));
		other.on('resync', ({ reason, recovering }) => told.other.push([reason, recovering]));
		document.on('resync', ({ reason, recovering }) => told.document.push([reason, recovering]));
		const asked = () => peer.of('subscribe').length, count = asked();

		peer.send({ type: 'resync', topic: 'sync.s.*', reason: 'lapped' });
		await until(() => asked() === count + 1);
		assert.equal(peer.of('subscribe').at(-1).after, '00000000-1');
		peer.send({ type: 'resync', topic: 'sync.s.updated', service: 's', documentId: 'x', reason: 'large' });
		await until(() => asked() === count + 2);
		assert.equal(peer.of('subscribe').at(-1).since.revision, 3);
		peer.send({ type: 'resync', topic: 'sync.s.updated', service: 's', documentId: 'y', reason: 'slow' });
		peer.send({ type: 'resync', topic: 'sync.*.presence', reason: 'gap' });
		peer.send({ type: 'resync', topic: 'sync.*.*', reason: 'gap' });
		await until(() => asked() === count + 3);
		peer.send({ type: 'resync', topic: 'sync.s.*', reason: 'rights' });
		await until(() => told.topic.length === 6);
		assert.deepEqual(told, {
			topic: [['lapped', undefined, true], ['large', 'x', false], ['slow', 'y', false], ['gap', undefined, false], ['gap', undefined, false], ['rights', undefined, false]],
			other: [['gap', false]],
			document: [['large', true], ['gap', true]],
		});
		assert.deepEqual(realtime.resyncs.map(({ reason, recovering }) => [reason, recovering]), [['lapped', true], ['large', false], ['slow', false], ['gap', false], ['gap', false], ['rights', false]]);
	});

	test('after a rollback older revisions are news', async () => {
		const mock = await mocks.start(), realtime = make(mock), seen = [];
		realtime.on('event:*', ({ payload }) => seen.push(payload.revision));
		await realtime.subscribe({ topic: 'sync.s.*' }).ready;
		const [peer] = mock.peers;
		peer.send(eventOf({ revision: 8 }));
		peer.send({ type: 'resync', topic: 'sync.s.updated', service: 's', documentId: 'x', reason: 'rollback' });
		peer.send(eventOf({ revision: 7 }));
		await until(() => seen.length === 2);
		assert.deepEqual(seen, [8, 7]);
	});

	test('a topic that misses a revision says so', async () => {
		const mock = await mocks.start(), realtime = make(mock);
		await realtime.subscribe({ topic: 'sync.s.*' }).ready;
		for (const [revision, more] of [[1, {}], [2, {}], [6, { fromRevision: 2 }], [8, {}]]) mock.peers[0].send(eventOf({ revision, ...more }));
		await until(() => realtime.resyncs.length);
		assert.deepEqual(realtime.resyncs.map(({ reason, documentId, recovering }) => [reason, documentId, recovering]), [['hole', 'x', false]]);
	});

	test('a document read for one subscription is told to the others that it overtook', async () => {
		const mock = await mocks.start({ answer: message => (message.type === 'subscribe' && message.snapshot ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelopeOf(9) } : undefined) });
		const realtime = make(mock), told = [];
		const topic = realtime.subscribe({ topic: 'sync.s.updated' });
		topic.on('resync', ({ reason, documentId, document }) => told.push([reason, documentId, document.revision]));
		await topic.ready;
		mock.peers[0].send(eventOf({ revision: 8 }));
		const document = await realtime.document('s', 'x');
		assert.deepEqual([document.revision, told], [9, [['snapshot', 'x', 9]]]);
	});

	test('so are live documents', async () => {
		let revision = 4;
		const mock = await mocks.start({ answer: message => (message.type === 'subscribe' && message.snapshot ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelopeOf(revision++) } : undefined) });
		const realtime = make(mock), document = await realtime.document('s', 'x');
		await realtime.subscribe({ topic: 'sync.s.updated', documentId: 'x' }).ready;
		assert.deepEqual([document.revision, document.data], [5, { n: 5 }]);
	});

	test('one that joins a subscription reads for itself, again if Redis is away, and takes no event twice', async () => {
		let reads = 0;
		const mock = await mocks.start({ answer: ({ type, topic }) => (type === 'subscribe' ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelopeOf(3) } : type === 'sync.get' ? (++reads < 3 ? { type: 'error', status: 503, code: 'redis_unavailable', message: 'later' } : { type: 'result', document: envelopeOf(5) }) : undefined) });
		const diff = n => ({ added: {}, removed: [], changed: { n: { from: n - 1, to: n } } });
		const realtime = make(mock), first = await realtime.document('s', 'x'), joining = realtime.document('s', 'x'), revisions = [];
		await mock.peers[0].next('sync.get');
		for (const revision of [4, 5, 6]) mock.peers[0].send(eventOf({ revision, diff: diff(revision) }));
		const second = await joining;
		second.on('changed', change => revisions.push(change.revision));
		await until(() => first.revision === 6 && second.revision === 6);
		assert.deepEqual([first.data, second.data, mock.peers[0].of('subscribe').length], [{ n: 6 }, { n: 6 }, 1]);
	});

	test('who is refused with 503 asks again; who is refused for good is told', async () => {
		let refusals = 0;
		const mock = await mocks.start({ answer: ({ type, topic }) => (type !== 'subscribe' ? undefined : topic === 'sync.no.*' ? { type: 'error', status: 403, code: 'forbidden', message: 'no' } : ++refusals < 3 ? { type: 'error', status: 503, code: 'redis_unavailable', message: 'later' } : undefined) });
		const realtime = make(mock), good = realtime.subscribe({ topic: 'sync.s.*' }), bad = realtime.subscribe({ topic: 'sync.no.*' });
		assert.equal((await good.ready).outcome, 'live');
		await assert.rejects(bad.ready, error => error instanceof AuthError && error.code === 'forbidden');
		mock.peers[0].drop();
		const second = await mock.peer(2);
		await second.next('subscribe', ({ topic }) => topic === 'sync.s.*');
		await realtime.connect();
		assert.equal(second.of('subscribe').length, 1);
	});

	test('presence is read again where changes of it may have been missed', async () => {
		const member = connectionId => ({ userId: connectionId, connectionId, mode: 'viewing', data: {}, since: 1, updatedAt: 1 });
		let members = [member('a'), member('b')];
		const mock = await mocks.start({ answer: message => (message.type === 'presence.list' ? { type: 'result', service: 's', documentId: 'x', count: members.length, members } : undefined) });
		const realtime = make(mock), seen = [];
		realtime.presence.on('s', 'x', change => seen.push([change.joined.map(one => one.userId), change.left.map(one => one.userId), change.members.map(one => one.userId)]));
		await until(() => seen.length === 1);
		members = [member('b'), member('c')];
		mock.peers[0].send({ type: 'resync', topic: 'sync.*.presence', reason: 'gap' });
		await until(() => seen.length === 2);
		members = [member('c')];
		mock.peers[0].drop();
		await until(() => seen.length === 3);
		assert.deepEqual(seen, [[['a', 'b'], [], ['a', 'b']], [['c'], ['a'], ['b', 'c']], [[], ['b'], ['c']]]);
	});
});
