// client_races.test.js: what the JavaScript client does when things end or begin anew at an awkward moment.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { applyDiff } from '../../workers/web/client/realtime.js';
import { closedError } from '../../workers/web/client/realtime/errors.js';
import { Tokens } from '../../workers/web/client/realtime/token.js';
import { startPair, turn, until } from './harness.js';
import { Clients, statesOf } from './lib/client.js';
import { MockServer, eventOf } from './lib/mock_server.js';

const clients = new Clients(), mocks = [];
afterEach(async () => {
	clients.closeAll();
	for (const mock of mocks.splice(0)) await mock.stop();
});

async function start(options) {
	const mock = await MockServer.start(options);
	mocks.push(mock);
	return mock;
}
const make = (mock, options) => clients.make(mock.url, options);
const envelope = (revision, more = {}) => ({ revision, updatedAt: 1000 + revision, createdAt: 1001, service: 's', id: 'x', data: { n: revision }, ...more });
const diffTo = n => ({ added: {}, removed: [], changed: { n: { from: n - 1, to: n } } });
const never = () => new Promise(() => {});
const TIMEOUT_MS = 60000; // of what would wait for ever
const CLOSED = 3;
const unavailable = { type: 'error', status: 503, code: 'redis_unavailable', message: 'later' };

// The timers that the client's own modules hold.
class ClientTimers {
	#held = new Map();
	#set = globalThis.setTimeout;
	#clear = globalThis.clearTimeout;

	constructor() {
		globalThis.setTimeout = (work, ms, ...values) => {
			const { stack } = new Error();
			const timer = this.#set(() => {
				this.#held.delete(timer);
				work(...values);
			}, ms);
			if (stack.split('\n')[2].includes('/web/client/')) this.#held.set(timer, stack.split('\n')[2].trim());
			return timer;
		};
		globalThis.clearTimeout = timer => {
			this.#held.delete(timer);
			this.#clear(timer);
		};
	}

	get held() {
		return [...this.#held.values()];
	}

	restore() {
		globalThis.setTimeout = this.#set;
		globalThis.clearTimeout = this.#clear;
	}
}

describe('close()', { timeout: TIMEOUT_MS }, () => {
	test('leaves no timer behind, whatever was under way', async () => {
		const timers = new ClientTimers();
		try {
			let isAway = false;
			const mock = await start({
				answer: ({ type, topic, documentId }, peer) => {
					if (type === 'presence.join') return peer === mock.peers[0] ? { type: 'result' } : unavailable;
					if (type === 'presence.list') return documentId === 'silent' ? null : unavailable;
					if (type === 'subscribe' && isAway && topic === 'sync.away.*') return unavailable;
					if (type === 'sync.get') return unavailable;
					if (type === 'sync.merge') return { type: 'result', document: envelope(9) };
					return type === 'subscribe' && documentId ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelope(3) } : undefined;
				},
			});
			const realtime = make(mock, { messagesPerSecond: 1000 });
			realtime.presence.on('s', 'silent', () => {});
			realtime.presence.on('s', 'away', () => {});
			let answers = 0;
			realtime.on('subscribed', ({ topic }) => (answers += topic === 'sync.s.*'));
			await realtime.presence.join('s', 'x');
			await realtime.document('s', 'x');
			isAway = true;
			mock.peers[0].drop();
			const second = await mock.peer(2);
			await until(() => answers === 2);
			realtime.subscribe({ topic: 'sync.away.*' });
			realtime.document('s', 'x').catch(() => {}); // shares the subscription, so it reads for itself
			const document = await realtime.document('s', 'y'), write = document.merge({ n: 9 });
			for (const type of ['presence.join', 'presence.list', 'sync.get', 'sync.merge']) await second.next(type);
			await realtime.subscribe({ topic: 'sync.behind.*' }).ready; // the answer to the merge came before this one
			await until(() => timers.held.length >= 4, undefined, () => `timers ${timers.held}`);
			realtime.close();
			await write;
			await until(() => realtime.sockets.every(({ readyState }) => readyState === CLOSED));
			assert.deepEqual(timers.held, []);
		} finally {
			timers.restore();
		}
	});

	test('ends the socket also where the server does not say good-bye', async () => {
		const mock = await start(), realtime = make(mock);
		await realtime.connect();
		mock.peers[0].socket.pause();
		realtime.close();
		await until(() => realtime.sockets[0].readyState === CLOSED);
		mock.peers[0].socket.resume();
	});

	const inAnHour = () => `x.${btoa(JSON.stringify({ exp: Date.now() / 1000 + 3600 }))}.y`;
	for (const [when, name, options, provoke] of [
		['before the first attempt', 'connecting', {}],
		['when it is open', 'open', { getToken: inAnHour }],
		['at a token that cannot be had', 'error', { getToken: () => Promise.reject(new Error('sign-in is down')) }],
		['at a refresh that fails', 'error', { getToken: (asked => () => (asked++ ? Promise.reject(new Error('sign-in is down')) : 'x'))(0) }],
		['when the server goes away', 'goaway', {}, (realtime, mock) => realtime.on('open', () => mock.peers[0].send({ type: 'goaway', retryAfterMs: 60000 }))],
		['when the connection is lost', 'reconnecting', {}, (realtime, mock) => realtime.on('open', () => mock.peers[0].drop())],
	])
	test(`by a listener, ${when}: nothing goes on`, async () => {
		const timers = new ClientTimers();
		try {
			const mock = await start({ answer: ({ type }) => (type === 'auth' ? { type: 'result', expiresAt: Date.now() + (name === 'error' ? 600 : 3600000) } : undefined) });
			const realtime = make(mock, options);
			provoke?.(realtime, mock);
			const closed = new Promise(resolve => realtime.once('closed', resolve));
			realtime.on(name, () => realtime.close());
			await closed;
			await turn(20);
			await until(() => realtime.sockets.every(({ readyState }) => readyState === CLOSED));
			assert.deepEqual([realtime.state, realtime.states.at(-1).state, timers.held], ['closed', 'closed', []]);
		} finally {
			timers.restore();
		}
	});

	test('a listener of it may connect again; what is asked for then is not rejected', async () => {
		const mock = await start(), realtime = make(mock), kept = realtime.subscribe({ topic: 'sync.s.*' });
		await kept.ready;
		let later;
		realtime.once('closed', () => {
			realtime.connect();
			later = realtime.subscribe({ topic: 'sync.t.*' });
		});
		realtime.close();
		assert.equal((await later.ready).outcome, 'live');
		assert.equal(mock.peers[1].of('subscribe').length, 2);
		assert.deepEqual(statesOf(realtime), ['connecting', 'open', 'connecting', 'open']);
	});

	test('so may one of a subscription; its connect() is not told of the end before', async () => {
		const mock = await start(), realtime = make(mock), kept = realtime.subscribe({ topic: 'sync.s.*' });
		await kept.ready;
		const again = new Promise(resolve => kept.once('disconnected', () => resolve(realtime.connect())));
		realtime.close();
		assert.equal(await again, realtime);
		assert.deepEqual([mock.peers.length, realtime.states.at(-1).state], [2, 'open']);
	});

	test('connect() behind it asks for a token of its own', async () => {
		let asked = 0;
		const mock = await start(), realtime = make(mock, { autoConnect: false, getToken: () => (asked++ ? 'good' : never()) });
		realtime.connect().catch(() => {});
		realtime.close();
		await realtime.connect();
		assert.deepEqual([asked, realtime.errors, mock.peers[0].of('auth').map(({ token }) => token)], [2, [], ['good']]);
	});

	test('the end of a token that nobody waits for any more does not keep the next from being given up', async () => {
		const tokens = new Tokens({ getToken: never, tokenTimeoutMs: TIMEOUT_MS }), first = tokens.get();
		tokens.close(closedError());
		const second = tokens.get();
		await assert.rejects(first, { code: 'closed' });
		await turn();
		tokens.close(closedError());
		await assert.rejects(second, { code: 'closed' });
	});

	test('connect() is told, too, when a listener closes it at once', async () => {
		const mock = await start(), realtime = make(mock, { autoConnect: false });
		realtime.on('connecting', () => realtime.close());
		await assert.rejects(realtime.connect(), { code: 'closed' });
	});

	test('who asks for a document or an answer after it is told, not kept waiting', async () => {
		const mock = await start(), realtime = make(mock);
		await realtime.connect();
		realtime.close();
		await assert.rejects(realtime.document('s', 'x'), { code: 'closed' });
		await assert.rejects(realtime.subscribe({ topic: 'sync.s.*' }).ready, { code: 'closed' });
		const later = realtime.subscribe({ topic: 'sync.t.*' });
		await realtime.connect();
		assert.equal((await later.ready).outcome, 'live');
	});
});

describe('presence', { timeout: TIMEOUT_MS }, () => {
	test('an update whose answer comes behind a leave() does not bring it back', async () => {
		const held = [];
		const mock = await start({ answer: ({ type, id }, peer) => (type === 'presence.update' ? void held.push(() => peer.send({ id, type: 'result' })) : type?.startsWith('presence.') ? { type: 'result' } : undefined) });
		const realtime = make(mock);
		await realtime.presence.join('s', 'x', { mode: 'viewing' });
		await realtime.presence.join('s', 'y', { mode: 'viewing' });
		const updated = [realtime.presence.update('s', 'x', { mode: 'editing' }), realtime.presence.update('s', 'y', { data: { a: 1 } })];
		const left = realtime.presence.leave('s', 'x'), again = realtime.presence.join('s', 'y', { mode: 'editing' });
		await until(() => held.length === 2);
		for (const answer of held) answer();
		await Promise.all([...updated, left, again]);
		mock.peers[0].drop();
		const second = await mock.peer(2);
		await second.next('presence.join');
		await realtime.sync.list('s', { timeoutMs: 50 }).catch(() => {}); // behind all joins
		assert.deepEqual(second.of('presence.join').map(({ documentId, mode, data }) => ({ documentId, mode, data })), [{ documentId: 'y', mode: 'editing', data: undefined }]);
	});
});

describe('events', { timeout: TIMEOUT_MS }, () => {
	test('documents of one id in several services do not hide each other', async () => {
		const mock = await start(), realtime = make(mock), handle = realtime.subscribe({ topic: 'sync.*.updated', documentId: 'x' }), seen = [], resyncs = [];
		handle.on('event', ({ payload }) => seen.push(`${payload.service}${payload.revision}`));
		handle.on('resync', ({ reason }) => resyncs.push(reason));
		await handle.ready;
		const [peer] = mock.peers;
		peer.send(eventOf({ service: 'a', revision: 7 }));
		peer.send(eventOf({ service: 'b', revision: 2 }));
		peer.send(eventOf({ service: 'a', revision: 7 })); // twice
		peer.send(eventOf({ service: 'a', revision: 8 }));
		await until(() => seen.length >= 3 && seen.at(-1) === 'a8');
		assert.deepEqual([seen, resyncs], [['a7', 'b2', 'a8'], []]);
		// Without a service the notice is about the documents of that id in all of them.
		peer.send({ type: 'resync', topic: 'sync.*.updated', documentId: 'x', reason: 'failover' });
		peer.send(eventOf({ service: 'a', revision: 5, timestamp: 900 }));
		await until(() => seen.length === 4);
		assert.deepEqual([seen.at(-1), resyncs], ['a5', ['failover']]);
	});

	test('a document that was purged and made anew begins at revision 1 again', async () => {
		const mock = await start({ answer: ({ type, topic, documentId }) => (type === 'subscribe' && documentId ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelope(8, { deleted: true }) } : undefined) });
		const realtime = make(mock), document = await realtime.document('s', 'x'), wide = realtime.subscribe({ topic: 'sync.s.*' }), seen = { wide: [], all: [], document: [] };
		wide.on('event', ({ payload }) => seen.wide.push(payload.revision));
		realtime.on('event:*', ({ payload }) => seen.all.push(payload.revision));
		document.on('changed', ({ type, revision }) => seen.document.push(`${type} ${revision}`));
		await wide.ready;
		const [peer] = mock.peers, created = eventOf({ event: 'created', revision: 1, timestamp: 5001, diff: { added: { n: 1 }, removed: [], changed: {} } });
		peer.send(eventOf({ event: 'deleted', revision: 8, deleted: true }));
		for (let i = 0; i < 2; i++) peer.send(created);
		peer.send(eventOf({ revision: 2, timestamp: 5002, diff: diffTo(2) }));
		await until(() => seen.document.length === 2 && seen.all.at(-1) === 2);
		assert.deepEqual(seen, { wide: [8, 1, 2], all: [8, 1, 2], document: ['created 1', 'updated 2'] });
		assert.deepEqual([document.exists, document.data, document.createdAt], [true, { n: 2 }, 5001]);
		assert.equal(peer.of('subscribe').length, 2, 'nothing had to be read again');
	});

	test('one that joins a subscription gets nothing that its snapshot has already', async () => {
		const mock = await start({ answer: ({ type, topic }) => (type === 'subscribe' ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelope(3) } : type === 'sync.get' ? { type: 'result', document: envelope(5) } : undefined) });
		const realtime = make(mock), first = realtime.subscribe({ topic: 'sync.s.*', documentId: 'x' });
		await first.ready;
		const second = realtime.subscribe({ topic: 'sync.s.*', documentId: 'x' }), seen = [];
		second.on('event', ({ payload }) => seen.push(payload.revision));
		assert.equal((await second.ready).document.revision, 5);
		// The answer overtook the events.
		for (const revision of [4, 5, 6]) mock.peers[0].send(eventOf({ revision, diff: diffTo(revision) }));
		await until(() => seen.includes(6));
		assert.deepEqual(seen, [6]);
	});

	test('who unsubscribes in the middle of what was waiting hears no more', async () => {
		let answer;
		const mock = await start({ answer: ({ type, topic, id }, peer) => (type === 'subscribe' ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelope(3) } : type === 'sync.get' ? void (answer = () => peer.send({ id, type: 'result', document: envelope(3) })) : undefined) });
		const realtime = make(mock), first = realtime.subscribe({ topic: 'sync.s.*', documentId: 'x' }), second = realtime.subscribe({ topic: 'sync.s.*', documentId: 'x' }), seen = [], ofFirst = [];
		first.on('event', ({ payload }) => ofFirst.push(payload.revision));
		second.on('event', ({ payload }) => {
			seen.push(payload.revision);
			second.unsubscribe();
		});
		await until(() => answer || second.outcome);
		const third = realtime.subscribe({ topic: 'sync.s.*', documentId: 'x' }), ofThird = [];
		third.on('event', ({ payload }) => {
			ofThird.push(payload.revision);
			third.unsubscribe();
		});
		await mock.peers[0].next('sync.get');
		for (const revision of [4, 5]) mock.peers[0].send(eventOf({ revision, diff: diffTo(revision) }));
		await until(() => ofFirst.length === 2);
		answer();
		await until(() => ofThird.length);
		await turn(20);
		assert.deepEqual([seen, ofThird], [[4], [4]]);
	});

	test('the first event of a topic that a reading of its document overtook is not lost without a word', async () => {
		const updatedAt = { x: Date.now(), y: Date.now() - 3600000 };
		const mock = await start({ answer: ({ type, topic, documentId: id }) => (type === 'subscribe' && id ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelope(1, { id, updatedAt: updatedAt[id] }) } : undefined) });
		const realtime = make(mock), wide = realtime.subscribe({ topic: 'sync.s.*' }), told = [];
		wide.on('resync', ({ documentId, document, recovering }) => told.push([documentId, document.revision, recovering]));
		await wide.ready;
		await realtime.document('s', 'y'); // written long before
		await realtime.document('s', 'x');
		assert.deepEqual(told, [['x', 1, false]]);
		// It comes all the same, where the reading did not overtake it.
		const seen = [];
		wide.on('event', ({ payload }) => seen.push(payload.revision));
		for (const revision of [1, 2]) mock.peers[0].send(eventOf({ revision, timestamp: updatedAt.x + revision - 1, diff: diffTo(revision) }));
		await until(() => seen.includes(2));
		assert.deepEqual(seen, [2]);
	});

	test('nor is what a reading overtook whose subscription was ended before its answer', async () => {
		const mock = await start({ answer: ({ type, topic, documentId }) => (type === 'subscribe' && documentId ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelope(7) } : undefined) });
		const realtime = make(mock), wide = realtime.subscribe({ topic: 'sync.s.*' }), told = [], seen = [];
		wide.on('resync', ({ documentId, document, recovering }) => told.push([documentId, document.revision, recovering]));
		wide.on('event', ({ payload }) => seen.push(payload.revision));
		await wide.ready;
		const [peer] = mock.peers;
		peer.send(eventOf({ revision: 6, diff: diffTo(6) }));
		await until(() => seen.length);
		realtime.subscribe({ topic: 'sync.s.*', documentId: 'x' }).unsubscribe();
		await peer.next('unsubscribe');
		peer.send(eventOf({ revision: 8, diff: diffTo(8) })); // 7 was in the snapshot, and nobody gets it
		await until(() => seen.includes(8));
		assert.deepEqual([seen, told], [[6, 8], [['x', 7, false]]]);
	});

	test('messages that were too fast go again in their order', async () => {
		const names = [], refused = new Set();
		const mock = await start({
			answer: ({ type, documentId, data }) => {
				if (type !== 'sync.merge') return undefined;
				if (!refused.has(data.n) && refused.size < 3) {
					refused.add(data.n);
					return { type: 'error', status: 429, code: 'rate_limited', message: 'too fast' };
				}
				names.push(data.n);
				return { type: 'result', document: envelope(data.n, { id: documentId }) };
			},
		});
		const realtime = make(mock);
		await realtime.connect();
		await Promise.all([1, 2, 3].map(n => realtime.sync.merge('s', 'x', { n })));
		assert.deepEqual(names, [1, 2, 3]);
	});
});

describe('tokens', () => {
	test('one that is set while the first is being proven is proven too', async () => {
		const mock = await start({ answer: ({ type, token }) => (type === 'auth' && token === 'first' ? void realtime.setToken('second') : undefined) });
		const realtime = make(mock, { token: 'first' }), peer = await mock.peer();
		await peer.next('auth', ({ token }) => token === 'second');
		await realtime.connect();
		assert.deepEqual(peer.of('auth').map(({ token }) => token), ['first', 'second']);
	});

	test('a clock that is ahead does not make it ask without end', () => {
		const tokens = new Tokens({ getToken: () => 'x' });
		assert.ok(tokens.refreshInMs(Date.now() - 60000) >= 5000);
		assert.ok(tokens.refreshInMs(Date.now() + 4000) <= 3000);
	});
});

test('against a real server: one id in two services, and a purged document that comes back', async t => {
	const pair = await startPair({ settings: { 'documents.tombstone_ttl': 1 } });
	t.after(() => pair.stop());
	const realtime = clients.make(pair.daemon.url), handle = realtime.subscribe({ topic: 'sync.*.*', documentId: 'same', returnMode: 'diff' }), seen = [];
	let held = {};
	handle.on('event', ({ payload }) => seen.push(`${payload.service}${payload.revision}`));
	const document = await realtime.document('one', 'same');
	document.on('changed', ({ diff, data }) => (held = diff ? applyDiff(held, diff) : data));
	await handle.ready;
	for (let n = 1; n <= 3; n++) await realtime.sync.mutate('one', 'same', data => ({ ...data, n }), { initial: {} });
	await realtime.sync.create('two', { n: 1 }, { id: 'same' });
	await realtime.sync.delete('one', 'same');
	await until(async () => (await realtime.sync.get('one', 'same', { deleted: true }).catch(({ status }) => status)) === 404);
	await realtime.sync.create('one', { again: true }, { id: 'same' });
	await until(() => document.exists && document.revision === 1);
	await realtime.sync.merge('one', 'same', { n: 2 });
	await until(() => seen.at(-1) === 'one2');
	await until(() => document.revision === 2);
	assert.deepEqual(seen, ['one1', 'one2', 'one3', 'two1', 'one4', 'one1', 'one2']);
	assert.deepEqual(document.data, { again: true, n: 2 });
});
