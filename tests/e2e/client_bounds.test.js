// client_bounds.test.js: the JavaScript client where something never comes, is missing, is too large for a timer, or where a clock is set.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { LiveDocument } from '../../workers/web/client/realtime.js';
import { until } from './harness.js';
import { Clients } from './lib/client.js';
import { Mocks, envelopeOf, eventOf } from './lib/mock_server.js';

const clients = new Clients(), mocks = new Mocks();
afterEach(async () => {
	clients.closeAll();
	await mocks.stopAll();
});
const make = (mock, options) => clients.make(mock.url, options);
const never = () => new Promise(() => {});
const merges = ({ type }) => (type === 'sync.merge' ? { type: 'result', document: envelopeOf(2) } : undefined);
const TIMEOUT_MS = 60000; // of what would wait for ever

describe('a getToken that never ends', { timeout: TIMEOUT_MS }, () => {
	test('is given up, said, and asked again', async () => {
		let asked = 0;
		const mock = await mocks.start(), realtime = make(mock, { tokenTimeoutMs: 50, getToken: () => (++asked < 3 ? never() : 'good') });
		await realtime.connect();
		assert.deepEqual([asked, realtime.errors.map(({ code }) => code)], [3, ['token_failed', 'token_failed']]);
	});

	test('is given up over HTTP, too', async () => {
		const realtime = clients.make('http://127.0.0.1:9', { autoConnect: false, tokenTimeoutMs: 50, getToken: never });
		await assert.rejects(realtime.sync.services(), { code: 'token_failed' });
	});

	test('keeps nobody waiting behind close()', async () => {
		const realtime = clients.make('http://127.0.0.1:9', { autoConnect: false, getToken: never }), services = realtime.sync.services();
		realtime.close();
		await assert.rejects(services, { code: 'closed' });
	});
});

describe('requests over HTTP', { timeout: TIMEOUT_MS }, () => {
	// Answers nothing, until it is aborted.
	const silent = (url, { signal }) => new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError'))));

	const make = options => clients.make('http://127.0.0.1:9', { autoConnect: false, fetch: silent, ...options });

	test('say after how long there was no answer, also where an AbortSignal has no reason', async () => {
		const reason = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'reason');
		Object.defineProperty(AbortSignal.prototype, 'reason', { ...reason, get: () => undefined });
		try {
			await assert.rejects(make({ timeoutMs: 20 }).sync.services(), { code: 'timeout', message: 'no answer within 20 ms' });
			const closing = make(), reading = closing.sync.services();
			await new Promise(resolve => setImmediate(resolve));
			closing.close();
			await assert.rejects(reading, { code: 'closed' });
		} finally {
			Object.defineProperty(AbortSignal.prototype, 'reason', reason);
		}
	});

	test('end with the client; of a write nobody knows whether it was done', async () => {
		const realtime = make();
		const reading = realtime.sync.services(), writing = realtime.sync.merge('s', 'x', {}, { idempotencyKey: 'k' });
		await new Promise(resolve => setImmediate(resolve));
		realtime.close();
		await assert.rejects(reading, { code: 'closed' });
		await assert.rejects(writing, { code: 'outcome_unknown' });
	});

	test('are not repeated after it', async () => {
		let requests = 0;
		const fetch = async () => { requests++; throw new TypeError('down'); };
		const realtime = make({ fetch }), writing = realtime.sync.merge('s', 'x', {}, { idempotencyKey: 'k' });
		await until(() => requests === 3); // in a pause of up to 400 ms now
		realtime.close();
		await assert.rejects(writing, { code: 'outcome_unknown' });
		assert.ok(requests <= 4, `${requests} requests`);
	});
});

describe('numbers', { timeout: TIMEOUT_MS }, () => {
	test('a time that is longer than a timer can be is the longest', async () => {
		const mock = await mocks.start({ answer: merges }), realtime = make(mock, { timeoutMs: Infinity, connectTimeoutMs: 1e12, heartbeatMs: 2 ** 31, pongTimeoutMs: Infinity, reconnectMaxMs: Infinity });
		for (const options of [undefined, { timeoutMs: Infinity }, { timeoutMs: 2 ** 31 }]) assert.equal((await realtime.sync.merge('s', 'x', {}, options)).revision, 2);
		assert.deepEqual([mock.peers.length, mock.peers[0].of('ping').length], [1, 0]);
		const rest = clients.make('http://127.0.0.1:9', { autoConnect: false, fetch: async (url, { signal }) => {
			await new Promise(resolve => setTimeout(resolve, 20));
			signal.throwIfAborted();
			return new Response('{"items":[]}');
		} });
		for (const timeoutMs of [Infinity, 0]) assert.deepEqual(await rest.sync.services({ timeoutMs }), [], `${timeoutMs}`);
	});

	test('null is the default; nothing need be remembered; without a time there is no limit', async () => {
		const mock = await mocks.start({ answer: merges }), realtime = make(mock, { heartbeatMs: null, token: null, trackedMax: 0, timeoutMs: 0 }), seen = [];
		realtime.on('event:*', ({ payload }) => seen.push(payload.revision));
		await realtime.subscribe({ topic: 'sync.s.*' }).ready;
		assert.equal((await realtime.sync.merge('s', 'x', {})).revision, 2);
		for (const revision of [1, 2]) mock.peers[0].send(eventOf({ revision }));
		await until(() => seen.length === 2);
		assert.deepEqual([mock.peers[0].of('auth'), mock.peers[0].of('ping')], [[], []]);
	});

	test('options that are none are refused', () => {
		for (const options of [{ timeoutMs: NaN }, { reconnectMinMs: -1 }, { queueMax: '5' }, { messagesPerSecond: 0 }, { heartbeatMs: '1' }, { trackedMax: {} }, { trackedMax: -1 }])
			assert.throws(() => clients.make('http://127.0.0.1:9', { autoConnect: false, ...options }), TypeError, JSON.stringify(options));
	});
});

describe('a clock that is set back', { timeout: TIMEOUT_MS }, () => {
	// As far as the wall shows it, time begins an hour earlier from now on.
	async function anHourBack(work) {
		const { now } = Date;
		Date.now = () => now() - 3600000;
		try {
			await work();
		} finally {
			Date.now = now;
		}
	}

	test('does not keep messages back', async () => {
		const mock = await mocks.start({ answer: merges }), realtime = make(mock);
		await realtime.sync.merge('s', 'x', {});
		await anHourBack(() => realtime.sync.merge('s', 'x', {}, { timeoutMs: 5000 }));
	});

	test('does not keep a dead socket from being noticed', async () => {
		const mock = await mocks.start(), realtime = make(mock, { heartbeatMs: 40, pongTimeoutMs: 40 }), peer = await mock.peer();
		await realtime.connect();
		await anHourBack(async () => {
			peer.isSilent = true;
			await mock.peer(2);
		});
	});
});

describe('what is missing or strange', { timeout: TIMEOUT_MS }, () => {
	test('a live document needs one service and one id', async () => {
		const mock = await mocks.start(), realtime = make(mock);
		await realtime.connect();
		for (const [service, id] of [['s', undefined], ['s', null], ['s', 7], [undefined, 'x'], ['*', 'x']]) {
			await assert.rejects(realtime.document(service, id), TypeError, `${service} ${id}`);
			assert.throws(() => realtime.presence.on(service, id, () => {}), TypeError, `${service} ${id}`);
		}
		assert.deepEqual(mock.peers[0].messages, [], 'nothing was subscribed to');
	});

	test('an async listener that fails is told as one that throws', async () => {
		const mock = await mocks.start(), realtime = make(mock), failure = new Error('a bug of the application');
		realtime.on('event:*', async () => { throw failure; });
		await realtime.subscribe({ topic: 'sync.s.*' }).ready;
		mock.peers[0].send(eventOf({ revision: 1 }));
		await until(() => realtime.errors.length);
		assert.deepEqual(realtime.errors, [failure]);
	});

	test('own writes to a document that begins anew are shown too, and reading it anew takes the new one', async () => {
		let document = { ...envelopeOf(8), deleted: true };
		const created = { ...envelopeOf(1, { again: 1 }), updatedAt: 5001, createdAt: 5001 };
		const mock = await mocks.start({ answer: ({ type, topic, documentId }) => {
			if (type === 'subscribe' && documentId) return { type: 'subscribed', topic, outcome: 'snapshot', position: '00000000-1', document };
			if (type === 'sync.create') return { type: 'result', document: (document = created) };
			return type === 'sync.get' ? { type: 'result', document } : undefined;
		} });
		const realtime = make(mock), live = await realtime.document('s', 'x'), read = await realtime.document('s', 'x');
		assert.ok(live instanceof LiveDocument);
		await live.create({ again: 1 });
		assert.deepEqual([live.data, live.exists, live.revision], [{ again: 1 }, true, 1]);
		await read.refresh();
		assert.deepEqual([read.data, read.exists, read.revision], [{ again: 1 }, true, 1]);
	});
});
