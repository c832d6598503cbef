// client_tokens.test.js: how the JavaScript client sends, renews and loses tokens, against a server that refuses them on demand.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { AuthError } from '../../workers/web/client/realtime.js';
import { until } from './harness.js';
import { Clients, statesOf } from './lib/client.js';
import { Mocks, envelopeOf } from './lib/mock_server.js';

const clients = new Clients(), mocks = new Mocks();
afterEach(async () => {
	clients.closeAll();
	await mocks.stopAll();
});
const make = (mock, options) => clients.make(mock.url, options);
const unauthorized = () => new Response(JSON.stringify({ code: 'invalid_token', status: 401, detail: 'expired' }), { status: 401 });
const tokenUntil = (ms, sub = 'ann') => `x.${Buffer.from(JSON.stringify({ sub, exp: Math.round((Date.now() + ms) / 1000) })).toString('base64url')}.y`;

describe('tokens', () => {
	// Answers like a server with auth: nothing before a good token; `good` says which are.
	function authServer(good) {
		return mocks.start({
			answer: (message, peer) => {
				if (message.type === 'auth' && !good(message.token)) return { type: 'error', status: 401, code: 'unauthorized', message: 'bad token' };
				if (message.type === 'auth') peer.token = message.token;
				else if (!peer.token) return { type: 'error', status: 401, code: 'unauthorized', message: 'authenticate first' };
				return message.type === 'sync.get' ? { type: 'result', document: envelopeOf(1) } : undefined;
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
		const mock = await mocks.start();
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
		mock.answer = (answer => (message, peer) => (message.type === 'sync.merge' && peer.token ? { type: 'result', document: envelopeOf(2) } : answer(message, peer)))(mock.answer);
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
		const mock = await mocks.start();
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
		const mock = await mocks.start();
		mock.answer = (message, peer) => (message.type === 'auth' && peer.of('auth').length > 1 ? void peer.close(4003, 'a refresh may not change sub') : mock.usual(message));
		const realtime = make(mock, { token: 'ann' });
		await realtime.connect();
		await realtime.setToken('bob');
		assert.equal((await (await mock.peer(2)).next('auth')).token, 'bob');
		await realtime.connect();
	});

	test('a refresh with a bad token leaves the connection as it is; getToken is asked again', async () => {
		let asked = 0;
		const mock = await mocks.start({ answer: message => (message.type === 'auth' ? (message.token === 't2' ? { type: 'error', status: 401, code: 'invalid_token', message: 'bad' } : { type: 'result', expiresAt: asked === 1 ? Date.now() + 100 : undefined }) : undefined) });
		const realtime = make(mock, { getToken: () => `t${++asked}` });
		await realtime.connect();
		await until(() => realtime.errors.length);
		assert.deepEqual([realtime.errors[0].code, realtime.state, mock.peers.length], ['invalid_token', 'open', 1]);
		await realtime.setToken('x');
		assert.equal(mock.peers[0].of('auth').at(-1).token, 'x');
	});

	// A server over HTTP that takes the token 'good'; `requests`: [method, token] of each.
	function restOf(options) {
		const requests = [];
		const fetch = async (url, { method, headers }) => {
			const token = headers.Authorization?.replace('Bearer ', '');
			requests.push([method, token]);
			return token === 'good' ? new Response(JSON.stringify({ ...envelopeOf(2), items: [] })) : unauthorized();
		};
		return { requests, realtime: clients.make('http://127.0.0.1:9', { fetch, autoConnect: false, ...options }) };
	}

	test('over HTTP, too, getToken is asked once more when its token is refused, and the request made again', async () => {
		let asked = 0;
		const { requests, realtime } = restOf({ getToken: () => (++asked === 1 ? 'old' : 'good') });
		await realtime.sync.services();
		await realtime.sync.services();
		assert.deepEqual([asked, requests], [2, [['GET', 'old'], ['GET', 'good'], ['GET', 'good']]]);
	});

	test('several requests that are refused together ask once; a write is made again as it was', async () => {
		let asked = 0;
		const { requests, realtime } = restOf({ getToken: () => (++asked === 1 ? 'old' : 'good') });
		await Promise.all([realtime.sync.services(), realtime.sync.merge('s', 'x', { n: 2 }, { idempotencyKey: 'k' }), realtime.sync.batchGet('s', ['x'])]);
		assert.equal(asked, 2);
		assert.deepEqual(requests.map(request => request.join(' ')).sort(), ['GET good', 'GET old', 'PATCH good', 'PATCH old', 'POST good', 'POST old']);
	});

	test('a request that is refused while the connection asks for another token waits for that one', async () => {
		let asked = 0, give;
		const given = new Promise(resolve => { give = resolve; });
		const mock = await authServer(token => token === 'good');
		const fetch = async (url, { headers }) => {
			if (headers.Authorization === 'Bearer good') return new Response('{"items":[]}');
			await until(() => asked === 2); // the connection was refused before
			setTimeout(give, 50);
			return unauthorized();
		};
		const realtime = make(mock, { fetch, getToken: () => (++asked === 1 ? 'old' : given.then(() => 'good')) });
		assert.deepEqual(await realtime.sync.services(), []);
		await realtime.connect();
		assert.equal(asked, 2);
	});

	for (const [what, options, expected] of [
		['a second refusal', { getToken: (asked => () => `bad${++asked}`)(0) }, ['bad1', 'bad2']],
		['the same token again', { getToken: () => 'bad' }, ['bad']],
		['a token without getToken', { token: 'bad' }, ['bad']],
		['no token', {}, [undefined]],
		['a getToken that fails', { getToken: (asked => () => (asked++ ? Promise.reject(new Error('sign-in is down')) : 'bad'))(0) }, ['bad']],
	])
	test(`over HTTP ${what} is the end of the request`, async () => {
		const { requests, realtime } = restOf(options);
		await assert.rejects(realtime.sync.services(), error => error instanceof AuthError && error.code === 'invalid_token' && error.status === 401);
		assert.deepEqual(requests.map(([, token]) => token), expected);
	});

	test('a getToken that fails before the first request says so', async () => {
		const { requests, realtime } = restOf({ getToken: () => Promise.reject(new Error('sign-in is down')) });
		await assert.rejects(realtime.sync.services(), error => error.code === 'token_failed' && error.message.includes('sign-in is down'));
		assert.deepEqual(requests, []);
	});

	test('setToken() while a request is being refused: it is made again with that one', async () => {
		const seen = [];
		const fetch = async (url, { headers }) => {
			if (seen.push(headers.Authorization) > 1) return new Response('{"items":[]}');
			realtime.setToken('good');
			return unauthorized();
		};
		const realtime = clients.make('http://127.0.0.1:9', { fetch, autoConnect: false, token: 'bad' });
		assert.deepEqual(await realtime.sync.services(), []);
		assert.deepEqual(seen, ['Bearer bad', 'Bearer good']);
	});

	test('a 403 is not asked about again', async () => {
		let asked = 0, requests = 0;
		const fetch = async () => { requests++; return new Response(JSON.stringify({ code: 'forbidden', status: 403 }), { status: 403 }); };
		const realtime = clients.make('http://127.0.0.1:9', { fetch, autoConnect: false, getToken: () => `t${++asked}` });
		await assert.rejects(realtime.sync.services(), error => error instanceof AuthError && error.status === 403);
		assert.deepEqual([asked, requests], [1, 1]);
	});

	test('a subscription that new rights do not cover ends with an error', async () => {
		const mock = await mocks.start(), realtime = make(mock, { token: 'ann' }), subscription = realtime.subscribe({ topic: 'sync.s.*', documentId: 'x' }), told = [];
		subscription.on('error', error => told.push(error));
		const other = realtime.subscribe({ topic: 'sync.t.*' });
		await Promise.all([mock.peer().then(peer => peer.next('subscribe', ({ documentId }) => documentId)), other.ready]);
		mock.peers[0].send({ type: 'error', code: 'forbidden', status: 403, message: 'no right', topic: 'sync.s.*', documentId: 'x' });
		await until(() => told.length);
		assert.deepEqual([told[0] instanceof AuthError, subscription.isActive, other.isActive], [true, false, true]);
	});
});
