// client_connection.test.js: what the JavaScript client does when connections and servers fail, and with writes meanwhile, against a server that fails on demand.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { OfflineError, OutcomeUnknownError, TimeoutError } from '../../workers/web/client/realtime.js';
import { freePort, inTime, turn, until } from './harness.js';
import { Clients, statesOf } from './lib/client.js';
import { Mocks, envelopeOf } from './lib/mock_server.js';

const clients = new Clients(), mocks = new Mocks();
afterEach(async () => {
	clients.closeAll();
	await mocks.stopAll();
});
const make = (mock, options) => clients.make(mock.url, options);
const DRAIN_MS = 1000; // so long the client waits for answers before it changes its connection

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
		await until(() => made >= 3);
		assert.deepEqual([realtime.states[1].state, realtime.states[1].code, realtime.states[1].reason], ['reconnecting', 1006, 'nobody there']);
	});

	test('pings that are answered keep it', async () => {
		const mock = await mocks.start(), realtime = make(mock, { heartbeatMs: 20, pongTimeoutMs: 3000 }), peer = await mock.peer();
		await until(() => peer.of('ping').length >= 2); // the answer to the first had its time
		assert.deepEqual(statesOf(realtime), ['connecting', 'open']);
	});

	test('a socket that says nothing is noticed by a ping that is not answered', async () => {
		const mock = await mocks.start(), realtime = make(mock, { heartbeatMs: 20, pongTimeoutMs: 50 }), first = await mock.peer();
		first.isSilent = true;
		await mock.peer(2);
		assert.match(realtime.states.find(({ state }) => state === 'reconnecting').reason, /^silent for \d+ ms$/);
		await realtime.connect();
	});

	test('a server that takes the connection and says nothing is given up', async () => {
		const mock = await mocks.start();
		mock.welcome = undefined;
		const realtime = make(mock, { connectTimeoutMs: 50 });
		await mock.peer(2);
		assert.match(realtime.states.find(({ state }) => state === 'reconnecting').reason, /not open within 50 ms/);
		const deaf = await mocks.start({ answer: (message, peer) => void (peer.isSilent = true) });
		deaf.usual = () => undefined;
		make(deaf, { connectTimeoutMs: 300, token: 'x' });
		await until(() => deaf.peers.filter(peer => peer.of('auth').length).length >= 2);
	});

	test('goaway: moved within its time, after what was under way, and nothing is lost', () => inTime(DRAIN_MS, async () => {
		const held = [];
		const mock = await mocks.start({ answer: (message, peer) => (message.type === 'sync.merge' && peer === mock.peers[0] ? void held.push(() => peer.send({ id: message.id, type: 'result', document: envelopeOf(2) })) : message.type === 'sync.merge' ? { type: 'result', document: envelopeOf(3) } : undefined) });
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
	}, { factor: 1, repeats: 2 }));

	test('a write whose answer is lost is not sent again: nobody knows its outcome', async () => {
		const mock = await mocks.start({ answer: (message, peer) => (message.type === 'sync.merge' ? void peer.drop() : undefined) }), realtime = make(mock);
		await realtime.connect();
		const error = await realtime.sync.merge('s', 'x', {}).catch(one => one);
		assert.deepEqual([error instanceof OutcomeUnknownError, error.code, error.status], [true, 'outcome_unknown', 0]);
		await realtime.connect();
		assert.equal(mock.peers[1].of('sync.merge').length, 0);
	});

	test('a reading whose answer is lost is asked again', async () => {
		const mock = await mocks.start({ answer: (message, peer) => (message.type !== 'sync.get' ? undefined : peer === mock.peers[0] ? void peer.drop() : { type: 'result', document: envelopeOf(4) }) });
		assert.equal((await make(mock).sync.get('s', 'x')).revision, 4);
	});

	test('no answer in time', async () => {
		const mock = await mocks.start({ answer: () => undefined }), realtime = make(mock, { timeoutMs: 50 });
		await realtime.connect();
		await assert.rejects(realtime.sync.get('s', 'x'), error => error instanceof TimeoutError && error.code === 'timeout');
		await assert.rejects(realtime.sync.merge('s', 'x', {}), OutcomeUnknownError);
		await assert.rejects(realtime.sync.get('s', 'x', { timeoutMs: 10 }), /10 ms/);
	});

	test('what the server refuses as too fast is sent again', async () => {
		let refusals = 0;
		const mock = await mocks.start({ answer: message => (message.type !== 'sync.get' ? undefined : ++refusals <= 2 ? { type: 'error', status: 429, code: 'rate_limited', message: 'slower' } : { type: 'result', document: envelopeOf(refusals) }) });
		assert.equal((await make(mock).sync.get('s', 'x')).revision, 3);
	});

	test('it sends no faster than it may', async () => {
		const mock = await mocks.start({ answer: message => (message.type === 'sync.get' ? { type: 'result', document: envelopeOf(1) } : undefined) });
		const realtime = make(mock, { messagesPerSecond: 100, messagesBurst: 5 });
		await realtime.connect();
		const begin = Date.now();
		await Promise.all(Array.from({ length: 25 }, () => realtime.sync.get('s', 'x')));
		assert.ok(Date.now() - begin >= 190, `${Date.now() - begin} ms for 20 more than the burst`);
	});

	test('a server that sends what makes no sense is left, or not listened to', async () => {
		const mock = await mocks.start(), realtime = make(mock);
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
	const merges = message => (message.type === 'sync.merge' ? { type: 'result', document: envelopeOf(2, message.data) } : undefined);

	test('are refused at once', async () => {
		const mock = await mocks.start({ answer: merges }), realtime = make(mock, { reconnectMinMs: 100000, reconnectMaxMs: 100000 });
		await realtime.sync.merge('s', 'x', {});
		const lost = Clients.lost(realtime);
		mock.peers[0].drop();
		await lost;
		const error = await realtime.sync.merge('s', 'x', {}).catch(one => one);
		assert.deepEqual([error instanceof OfflineError, error.code], [true, 'offline']);
	});

	test('with an Idempotency-Key they need no connection: REST is tried until it answers', async () => {
		const keys = [];
		const mock = await mocks.start({ answer: merges }), fetch = async (url, { headers }) => {
			keys.push(headers['Idempotency-Key']);
			if (keys.length < 3) throw new TypeError('fetch failed');
			return new Response(JSON.stringify(envelopeOf(5)), { headers: { 'Content-Type': 'application/json' } });
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
		const mock = await mocks.start({ answer: merges });
		assert.equal((await make(mock).sync.merge('s', 'x', { a: 1 })).revision, 2);
		await assert.rejects(clients.make(`http://127.0.0.1:${await freePort()}`).sync.merge('s', 'x', {}), OfflineError);
	});

	test("offline: 'queue': they are done in their order, each behind the answer to the one before", async () => {
		let answering = 0;
		const mock = await mocks.start();
		mock.answer = (message, peer) => {
			if (message.type !== 'sync.merge') return mock.usual(message);
			assert.equal(answering++, 0, 'one at a time');
			setTimeout(() => {
				answering--;
				peer.send(message.data.n === 1 ? { id: message.id, type: 'error', status: 404, code: 'document_not_found', message: 'no' } : { id: message.id, type: 'result', document: envelopeOf(2, message.data) });
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
		const mock = await mocks.start();
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
