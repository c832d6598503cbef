// client_connection.test.js: what the JavaScript client does when connections, tokens and servers fail, against a server that fails on demand.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { AuthError, OfflineError, OutcomeUnknownError, TimeoutError } from '../../workers/web/client/realtime.js';
import { freePort, turn, until } from './harness.js';
import { Clients } from './lib/client.js';
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
const statesOf = realtime => realtime.states.map(({ state }) => state);
const envelope = (revision, data = { n: revision }) => ({ revision, updatedAt: 1000 + revision, createdAt: 1001, service: 's', id: 'x', data });
const tokenUntil = (ms, sub = 'ann') => `x.${Buffer.from(JSON.stringify({ sub, exp: Math.round((Date.now() + ms) / 1000) })).toString('base64url')}.y`;

describe('losing the connection', () => {
	test('it is opened again, with delays that grow and are random', async () => {
		const port = await freePort(), realtime = clients.make(`http://127.0.0.1:${port}`, { reconnectMinMs: 16, reconnectMaxMs: 64 });
		await until(() => realtime.states.filter(({ state }) => state === 'reconnecting').length >= 12);
		const delays = realtime.states.filter(({ state }) => state === 'reconnecting').map(({ delayMs }) => delayMs);
		assert.deepEqual(delays.map((delay, i) => delay <= Math.min(64, 16 * 2 ** i)), delays.map(() => true), String(delays));
		assert.ok(new Set(delays).size > 3, String(delays));
		assert.deepEqual(statesOf(realtime).slice(0, 2), ['connecting', 'reconnecting']);
	});

	test('a WebSocket that fails and says no more is given up', async () => {
		let made = 0;
		class Mute {
			constructor() {
				made++;
				setImmediate(() => this.onerror?.({ message: 'nobody there' }));
			}
			close() {}
		}
		const realtime = clients.make('http://127.0.0.1:1', { WebSocket: Mute });
		await until(() => made === 3);
		assert.deepEqual([realtime.states[1].state, realtime.states[1].code, realtime.states[1].reason], ['reconnecting', 1006, 'nobody there']);
	});

	test('a socket that says nothing is noticed by a ping that is not answered', async () => {
		const mock = await start(), realtime = make(mock, { heartbeatMs: 40, pongTimeoutMs: 1000 }), first = await mock.peer();
		await realtime.connect();
		await first.next('ping');
		assert.equal(mock.peers.length, 1, 'answered pings keep it');
		first.isSilent = true;
		await mock.peer(2);
		assert.match(realtime.states.find(({ state }) => state === 'reconnecting').reason, /^silent for \d+ ms$/);
		await realtime.connect();
	});

	test('a server that takes the connection and says nothing is given up', async () => {
		const mock = await start();
		mock.welcome = undefined;
		const realtime = make(mock, { connectTimeoutMs: 50 });
		await mock.peer(2);
		assert.match(realtime.states.find(({ state }) => state === 'reconnecting').reason, /not open within 50 ms/);
		const deaf = await start({ answer: (message, peer) => void (peer.isSilent = true) });
		deaf.usual = () => undefined;
		make(deaf, { connectTimeoutMs: 300, token: 'x' });
		await until(() => deaf.peers.filter(peer => peer.of('auth').length).length >= 2);
	});

	test('goaway: moved within its time, after what was under way, and nothing is lost', async () => {
		const held = [];
		const mock = await start({ answer: (message, peer) => (message.type === 'sync.merge' && peer === mock.peers[0] ? void held.push(() => peer.send({ id: message.id, type: 'result', document: envelope(2) })) : message.type === 'sync.merge' ? { type: 'result', document: envelope(3) } : undefined) });
		const realtime = make(mock), going = [];
		realtime.on('goaway', one => going.push(one));
		await realtime.connect();
		const first = realtime.sync.merge('s', 'x', { a: 1 });
		await until(() => held.length);
		mock.peers[0].send({ type: 'goaway', retryAfterMs: 20 });
		await until(() => going.length);
		assert.deepEqual(going, [{ retryAfterMs: 20 }]);
		await turn(40);
		const second = realtime.sync.merge('s', 'x', { b: 1 });
		held[0]();
		assert.deepEqual([(await first).revision, (await second).revision], [2, 3]);
		assert.deepEqual([mock.peers[1].of('sync.merge').length, (await mock.peers[0].closed).code], [1, 1000]);
		assert.deepEqual(statesOf(realtime), ['connecting', 'open', 'reconnecting', 'open']);
	});

	test('a write whose answer is lost is not sent again: nobody knows its outcome', async () => {
		const mock = await start({ answer: (message, peer) => (message.type === 'sync.merge' ? void peer.drop() : undefined) }), realtime = make(mock);
		await realtime.connect();
		const error = await realtime.sync.merge('s', 'x', {}).catch(one => one);
		assert.deepEqual([error instanceof OutcomeUnknownError, error.code, error.status], [true, 'outcome_unknown', 0]);
		await realtime.connect();
		assert.equal(mock.peers[1].of('sync.merge').length, 0);
	});

	test('a reading whose answer is lost is asked again', async () => {
		const mock = await start({ answer: (message, peer) => (message.type !== 'sync.get' ? undefined : peer === mock.peers[0] ? void peer.drop() : { type: 'result', document: envelope(4) }) });
		assert.equal((await make(mock).sync.get('s', 'x')).revision, 4);
	});

	test('no answer in time', async () => {
		const mock = await start({ answer: () => undefined }), realtime = make(mock, { timeoutMs: 50 });
		await realtime.connect();
		await assert.rejects(realtime.sync.get('s', 'x'), error => error instanceof TimeoutError && error.code === 'timeout');
		await assert.rejects(realtime.sync.merge('s', 'x', {}), OutcomeUnknownError);
		await assert.rejects(realtime.sync.get('s', 'x', { timeoutMs: 10 }), /10 ms/);
	});

	test('what the server refuses as too fast is sent again', async () => {
		let refusals = 0;
		const mock = await start({ answer: message => (message.type !== 'sync.get' ? undefined : ++refusals <= 2 ? { type: 'error', status: 429, code: 'rate_limited', message: 'slower' } : { type: 'result', document: envelope(refusals) }) });
		assert.equal((await make(mock).sync.get('s', 'x')).revision, 3);
	});

	test('it sends no faster than it may', async () => {
		const mock = await start({ answer: message => (message.type === 'sync.get' ? { type: 'result', document: envelope(1) } : undefined) });
		const realtime = make(mock, { messagesPerSecond: 100, messagesBurst: 5 });
		await realtime.connect();
		const begin = Date.now();
		await Promise.all(Array.from({ length: 25 }, () => realtime.sync.get('s', 'x')));
		assert.ok(Date.now() - begin >= 190, `${Date.now() - begin} ms for 20 more than the burst`);
	});

	test('a server that sends what makes no sense is left, or not listened to', async () => {
		const mock = await start(), realtime = make(mock);
		await realtime.connect();
		for (const message of [null, 7, [], {}, { type: 'event' }, { type: 'event', topic: 7 }, { type: 'event', topic: 'sync.s.updated' }, { type: 'resync', topic: 3 }, { type: 'result' }, { type: 'result', id: 99 }, { type: 'new', topic: 'x' }])
			mock.peers[0].send(message);
		await until(() => realtime.errors.length === 4);
		assert.deepEqual([realtime.state, new Set(realtime.errors.map(({ code }) => code))], ['open', new Set(['invalid_message'])]);
		mock.peers[0].socket.send('{"type":');
		await mock.peer(2);
		assert.equal(realtime.states.find(({ state }) => state === 'reconnecting').code, 1007);
	});
});

describe('writes without a connection', () => {
	const merges = message => (message.type === 'sync.merge' ? { type: 'result', document: envelope(2, message.data) } : undefined);

	test('are refused at once', async () => {
		const mock = await start({ answer: merges }), realtime = make(mock, { reconnectMinMs: 100000, reconnectMaxMs: 100000 });
		await realtime.sync.merge('s', 'x', {});
		const lost = Clients.lost(realtime);
		mock.peers[0].drop();
		await lost;
		const error = await realtime.sync.merge('s', 'x', {}).catch(one => one);
		assert.deepEqual([error instanceof OfflineError, error.code], [true, 'offline']);
	});

	test('with an Idempotency-Key they need no connection: REST is tried until it answers', async () => {
		const keys = [];
		const mock = await start({ answer: merges }), fetch = async (url, { headers }) => {
			keys.push(headers['Idempotency-Key']);
			if (keys.length < 3) throw new TypeError('fetch failed');
			return new Response(JSON.stringify(envelope(5)), { headers: { 'Content-Type': 'application/json' } });
		};
		const realtime = make(mock, { fetch, reconnectMinMs: 100000, reconnectMaxMs: 100000 });
		await realtime.connect();
		const lost = Clients.lost(realtime);
		mock.peers[0].drop();
		await lost;
		assert.equal((await realtime.sync.merge('s', 'x', {}, { idempotencyKey: true })).revision, 5);
		assert.deepEqual([keys.length, new Set(keys).size, keys[0].length], [3, 1, 32]);
		await assert.rejects(make(mock, { fetch: async () => { throw new TypeError('down'); } }).sync.merge('s', 'x', {}, { idempotencyKey: 'k', timeoutMs: 50 }), OutcomeUnknownError);
	});

	test('before the first connection they wait, and are refused when it cannot be had', async () => {
		const mock = await start({ answer: merges });
		assert.equal((await make(mock).sync.merge('s', 'x', { a: 1 })).revision, 2);
		await assert.rejects(clients.make(`http://127.0.0.1:${await freePort()}`).sync.merge('s', 'x', {}), OfflineError);
	});

	test("offline: 'queue': they are done in their order, each behind the answer to the one before", async () => {
		let answering = 0;
		const mock = await start();
		mock.answer = (message, peer) => {
			if (message.type !== 'sync.merge') return mock.usual(message);
			assert.equal(answering++, 0, 'one at a time');
			setTimeout(() => {
				answering--;
				peer.send(message.data.n === 1 ? { id: message.id, type: 'error', status: 404, code: 'document_not_found', message: 'no' } : { id: message.id, type: 'result', document: envelope(2, message.data) });
			}, 5);
			return undefined;
		};
		const realtime = make(mock, { offline: 'queue', queueMax: 4, reconnectMinMs: 100, reconnectMaxMs: 100 });
		await realtime.connect();
		const lost = Clients.lost(realtime);
		mock.peers[0].drop();
		await lost;
		const writes = [0, 1, 2, 3].map(n => realtime.sync.merge('s', 'x', { n }).then(({ data }) => data.n, error => error.code));
		assert.equal(await realtime.sync.merge('s', 'x', {}).catch(error => error.code), 'queue_full');
		assert.deepEqual(await Promise.all(writes), [0, 'document_not_found', 2, 3]);
		assert.deepEqual(mock.peers[1].of('sync.merge').map(({ data }) => data.n), [0, 1, 2, 3]);
	});

	test('one that was sent from the queue and lost is not sent again; the others are', async () => {
		const mock = await start();
		mock.answer = (message, peer) => {
			if (message.type !== 'sync.merge') return mock.usual(message);
			return peer === mock.peers[0] ? void peer.drop() : merges(message);
		};
		const realtime = make(mock, { offline: 'queue' }), codes = [1, 2, 3].map(n => realtime.sync.merge('s', 'x', { n }).then(({ data }) => data.n, error => error.code));
		assert.deepEqual(await Promise.all(codes), ['outcome_unknown', 2, 3]);
		const last = realtime.sync.merge('s', 'x', { n: 4 });
		assert.equal((await last).data.n, 4);
	});

	test('are rejected when the client is closed', async () => {
		const realtime = clients.make(`http://127.0.0.1:${await freePort()}`, { offline: 'queue' }), write = realtime.sync.merge('s', 'x', {}), reading = realtime.sync.get('s', 'x'), opening = realtime.connect();
		const document = realtime.document('s', 'x'), { ready } = realtime.subscribe({ topic: 'sync.s.*' });
		realtime.close();
		for (const one of [write, reading, opening, document, ready]) await assert.rejects(one, { code: 'closed' });
		assert.deepEqual([realtime.state, realtime.sockets.length], ['closed', 0]);
	});
});

describe('tokens', () => {
	// Answers like a server with auth: nothing before a good token; `good` says which are.
	function authServer(good) {
		return start({
			answer: (message, peer) => {
				if (message.type === 'auth' && !good(message.token)) return { type: 'error', status: 401, code: 'unauthorized', message: 'bad token' };
				if (message.type === 'auth') peer.token = message.token;
				else if (!peer.token) return { type: 'error', status: 401, code: 'unauthorized', message: 'authenticate first' };
				return message.type === 'sync.get' ? { type: 'result', document: envelope(1) } : undefined;
			},
		});
	}

	test('a token is sent first, before all else', async () => {
		const mock = await authServer(token => token === 'good'), realtime = make(mock, { token: 'good' });
		realtime.subscribe({ topic: 'sync.s.*' });
		await realtime.sync.get('s', 'x');
		assert.deepEqual(mock.peers[0].messages.slice(0, 3).map(({ type }) => type), ['auth', 'subscribe', 'sync.get']);
	});

	test('the welcome may come behind the answer to it', async () => {
		const mock = await authServer(() => true), { welcome } = mock;
		mock.welcome = undefined;
		const realtime = make(mock, { token: 'good' }), peer = await mock.peer();
		await peer.next('auth');
		assert.equal(realtime.state, 'connecting');
		peer.send({ ...welcome, connectionId: 'late' });
		await realtime.connect();
		assert.equal(realtime.connectionId, 'late');
	});

	test('a refused one closes for good, with the reason; setToken() and connect() begin anew', async () => {
		const mock = await authServer(token => token === 'good'), realtime = make(mock, { token: 'bad' }), { ready } = realtime.subscribe({ topic: 'sync.s.*' });
		await assert.rejects(realtime.connect(), error => error instanceof AuthError && error.status === 401);
		await assert.rejects(ready, AuthError);
		await assert.rejects(realtime.sync.get('s', 'x'), AuthError);
		assert.equal(realtime.states.at(-1).error.code, 'unauthorized');
		realtime.setToken('good');
		await realtime.connect();
		await mock.peers[1].next('subscribe');
		assert.equal((await realtime.sync.get('s', 'x')).revision, 1);
	});

	test('getToken is asked once more when its token is refused, and not for ever', async () => {
		let asked = 0;
		const mock = await authServer(token => token === 'good'), realtime = make(mock, { getToken: async () => (++asked === 1 ? 'old' : 'good') });
		await realtime.connect();
		assert.equal(asked, 2);
		const never = make(mock, { getToken: () => 'bad' });
		await assert.rejects(never.connect(), AuthError);
		assert.equal(never.state, 'closed');
	});

	test('setToken() while the first one is being refused: the other one is tried', async () => {
		const mock = await start();
		mock.answer = message => (message.token === 'bad' ? undefined : mock.usual(message)); // not yet
		const realtime = make(mock, { token: 'bad' }), first = await mock.peer();
		const { id } = await first.next('auth');
		realtime.setToken('good');
		first.send({ id, type: 'error', status: 401, code: 'invalid_token', message: 'bad' });
		await until(() => realtime.state === 'open');
		assert.deepEqual(statesOf(realtime), ['connecting', 'reconnecting', 'open']);
	});

	test('a write that waits for the first connection is not refused because of an old token', async () => {
		let asked = 0;
		const mock = await authServer(token => token === 't2');
		mock.answer = (answer => (message, peer) => (message.type === 'sync.merge' && peer.token ? { type: 'result', document: envelope(2) } : answer(message, peer)))(mock.answer);
		assert.equal((await make(mock, { getToken: () => `t${++asked}` }).sync.merge('s', 'x', {})).revision, 2);
	});

	for (const [how, fail] of [['throws', () => { throw new Error('sign-in is down'); }], ['rejects', () => Promise.reject(new Error('sign-in is down'))], ['gives no text', () => undefined]])
	test(`a getToken that ${how} is asked again later`, async () => {
		let asked = 0;
		const mock = await authServer(token => token === 'good');
		const realtime = make(mock, { getToken: () => (++asked < 3 ? fail() : 'good') });
		await realtime.connect();
		assert.deepEqual([asked, realtime.errors.map(({ code }) => code)], [3, ['token_failed', 'token_failed']]);
	});

	test('it is renewed over the open connection before it ends', async () => {
		const tokens = [tokenUntil(2000), tokenUntil(60000)], given = [];
		const mock = await authServer(() => true);
		const realtime = make(mock, { getToken: () => { given.push(tokens[given.length]); return given.at(-1); } });
		await realtime.connect();
		await mock.peers[0].next('auth', ({ token }) => token === tokens[1]);
		assert.deepEqual([mock.peers.length, statesOf(realtime), given], [1, ['connecting', 'open'], tokens]);
	});

	test('4001: the next connection has a new token; without getToken it is the end', async () => {
		let asked = 0;
		const mock = await authServer(() => true), realtime = make(mock, { getToken: () => `t${++asked}` });
		await realtime.connect();
		mock.peers[0].close(4001, 'token expired');
		await until(() => mock.peers[1]?.token);
		assert.equal(mock.peers[1].token, 't2');
		await realtime.connect();
		const fixed = make(mock, { token: 'good' });
		await fixed.connect();
		mock.peers.at(-1).close(4001, 'token expired');
		await until(() => fixed.state === 'closed');
		assert.deepEqual([fixed.states.at(-1).error.code, fixed.states.at(-1).code], ['token_expired', 4001]);
	});

	test('4003: for good, unless another token does better', async () => {
		const mock = await authServer(() => true), fixed = make(mock, { token: 'good' });
		await fixed.connect();
		mock.peers[0].close(4003, 'revoked');
		await until(() => fixed.state === 'closed');
		assert.deepEqual([fixed.states.at(-1).error instanceof AuthError, fixed.states.at(-1).error.code, fixed.states.at(-1).error.message], [true, 'forbidden', 'revoked']);
		const renewing = make(mock, { getToken: () => 'good' });
		await renewing.connect();
		mock.peers.at(-1).close(4003, 'revoked');
		await until(() => statesOf(renewing).filter(state => state === 'open').length === 2);
	});

	for (const closes of [false, true])
	test(`a token of another user leads to another connection${closes ? ', also where the server is faster' : ''}`, async () => {
		const mock = await start();
		mock.answer = (message, peer) => {
			if (message.type !== 'auth' || peer.of('auth').length < 2) return mock.usual(message);
			if (closes) setImmediate(() => peer.close(4003, 'a refresh may not change sub'));
			return { type: 'error', status: 403, code: 'subject_changed', message: 'another subject' };
		};
		const realtime = make(mock, { token: 'ann' });
		await realtime.connect();
		await realtime.setToken('bob');
		const second = await mock.peer(2);
		assert.equal((await second.next('auth')).token, 'bob');
		await realtime.connect();
		if (!closes) assert.deepEqual(realtime.errors.map(({ code }) => code), ['subject_changed']);
	});

	test('4003 together with the refusal does not end a client that has another token', async () => {
		const mock = await start();
		mock.answer = (message, peer) => (message.type === 'auth' && peer.of('auth').length > 1 ? void peer.close(4003, 'a refresh may not change sub') : mock.usual(message));
		const realtime = make(mock, { token: 'ann' });
		await realtime.connect();
		await realtime.setToken('bob');
		assert.equal((await (await mock.peer(2)).next('auth')).token, 'bob');
		await realtime.connect();
	});

	test('a refresh with a bad token leaves the connection as it is; getToken is asked again', async () => {
		let asked = 0;
		const mock = await start({ answer: message => (message.type === 'auth' ? (message.token === 't2' ? { type: 'error', status: 401, code: 'invalid_token', message: 'bad' } : { type: 'result', expiresAt: asked === 1 ? Date.now() + 100 : undefined }) : undefined) });
		const realtime = make(mock, { getToken: () => `t${++asked}` });
		await realtime.connect();
		await until(() => realtime.errors.length);
		assert.deepEqual([realtime.errors[0].code, realtime.state, mock.peers.length], ['invalid_token', 'open', 1]);
		await realtime.setToken('x');
		assert.equal(mock.peers[0].of('auth').at(-1).token, 'x');
	});

	test('a subscription that new rights do not cover ends with an error', async () => {
		const mock = await start(), realtime = make(mock, { token: 'ann' }), subscription = realtime.subscribe({ topic: 'sync.s.*', documentId: 'x' }), told = [];
		subscription.on('error', error => told.push(error));
		const other = realtime.subscribe({ topic: 'sync.t.*' });
		await Promise.all([mock.peer().then(peer => peer.next('subscribe', ({ documentId }) => documentId)), other.ready]);
		mock.peers[0].send({ type: 'error', code: 'forbidden', status: 403, message: 'no right', topic: 'sync.s.*', documentId: 'x' });
		await until(() => told.length);
		assert.deepEqual([told[0] instanceof AuthError, subscription.isActive, other.isActive], [true, false, true]);
	});
});

describe('what was missed', () => {
	test('a topic goes on after the last live position, not after one of a replay', async () => {
		const mock = await start(), realtime = make(mock), seen = [];
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
		const mock = await start(), realtime = make(mock), seen = [], topic = realtime.subscribe({ topic: 'sync.s.*' });
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
		const mock = await start({ answer: ({ type, topic, data }) => (type === 'subscribe' ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelope(3) } : type === 'sync.merge' ? { type: 'result', document: envelope(data.n) } : undefined) });
		const realtime = make(mock), document = await realtime.document('s', 'x'), diffs = [], [peer] = mock.peers;
		document.on('updated', ({ diff }) => diffs.push(diff));
		let isDone = false;
		const first = document.merge({ n: 4 }).then(() => (isDone = true));
		await peer.next('sync.merge');
		await realtime.sync.merge('s', 'x', { n: 4 });
		assert.equal(isDone, false);
		const diff = { added: {}, removed: [], changed: { n: { from: 3, to: 4 } } };
		peer.send(eventOf({ revision: 4, diff }));
		await first;
		assert.deepEqual([document.data, diffs], [{ n: 4 }, [diff]]);
		await document.merge({ n: 5 }); // without an event
		assert.deepEqual([document.data, document.revision, diffs], [{ n: 5 }, 5, [diff, undefined]]);
	});

	test('a document goes on from its revision; a snapshot instead of that is said', async () => {
		const mock = await start({ answer: message => (message.type === 'subscribe' ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelope(message.since ? 9 : 3) } : undefined) });
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
		const mock = await start({ answer: message => (message.type === 'subscribe' && !message.since ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelope(3) } : undefined) });
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
		const mock = await start({ answer: ({ type, topic }, peer) => (type === 'subscribe' ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelope(peer.of('subscribe').length + 2) } : undefined) });
		const realtime = make(mock), document = await realtime.document('s', 'x');
		mock.peers[0].send(eventOf({ revision: 4, diff: { added: {}, removed: ['not.there'], changed: {} } }));
		await until(() => document.revision === 4);
		assert.deepEqual([document.data, mock.peers[0].of('subscribe')[1].snapshot, realtime.resyncs[0].reason], [{ n: 4 }, true, 'misfit']);
	});

	test('each resync is told, and followed by what the client can do itself', async () => {
		const mock = await start({ answer: message => (message.type === 'subscribe' && message.snapshot ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelope(3) } : undefined) });
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
		const mock = await start(), realtime = make(mock), seen = [];
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
		const mock = await start(), realtime = make(mock);
		await realtime.subscribe({ topic: 'sync.s.*' }).ready;
		for (const [revision, more] of [[1, {}], [2, {}], [6, { fromRevision: 2 }], [8, {}]]) mock.peers[0].send(eventOf({ revision, ...more }));
		await until(() => realtime.resyncs.length);
		assert.deepEqual(realtime.resyncs.map(({ reason, documentId, recovering }) => [reason, documentId, recovering]), [['hole', 'x', false]]);
	});

	test('a document read for one subscription is told to the others that it overtook', async () => {
		const mock = await start({ answer: message => (message.type === 'subscribe' && message.snapshot ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelope(9) } : undefined) });
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
		const mock = await start({ answer: message => (message.type === 'subscribe' && message.snapshot ? { type: 'subscribed', topic: message.topic, outcome: 'snapshot', position: '00000000-1', document: envelope(revision++) } : undefined) });
		const realtime = make(mock), document = await realtime.document('s', 'x');
		await realtime.subscribe({ topic: 'sync.s.updated', documentId: 'x' }).ready;
		assert.deepEqual([document.revision, document.data], [5, { n: 5 }]);
	});

	test('one that joins a subscription reads for itself, again if Redis is away, and takes no event twice', async () => {
		let reads = 0;
		const mock = await start({ answer: ({ type, topic }) => (type === 'subscribe' ? { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document: envelope(3) } : type === 'sync.get' ? (++reads < 3 ? { type: 'error', status: 503, code: 'redis_unavailable', message: 'later' } : { type: 'result', document: envelope(5) }) : undefined) });
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
		const mock = await start({ answer: ({ type, topic }) => (type !== 'subscribe' ? undefined : topic === 'sync.no.*' ? { type: 'error', status: 403, code: 'forbidden', message: 'no' } : ++refusals < 3 ? { type: 'error', status: 503, code: 'redis_unavailable', message: 'later' } : undefined) });
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
		const mock = await start({ answer: message => (message.type === 'presence.list' ? { type: 'result', service: 's', documentId: 'x', count: members.length, members } : undefined) });
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
