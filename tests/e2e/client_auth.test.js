// client_auth.test.js: the JavaScript client against a real server that asks for tokens.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { AuthError } from '../../workers/web/client/realtime.js';
import { inTime, jwtSettings, makeDirectory, secret, startPair, tokensOf, until, writeFile } from './harness.js';
import { Clients, statesOf } from './lib/client.js';

const key = secret();
let pair;
const clients = new Clients();

const tokenOf = tokensOf(key);

before(async () => {
	const file = writeFile(path.join(makeDirectory('client-auth'), 'key'), key);
	pair = await startPair({ settings: jwtSettings(file, { workers: 2, 'ws.max_message': '8KiB' }) });
});
after(() => pair?.stop());
afterEach(() => clients.closeAll());

const make = options => clients.make(pair.daemon.url, options);

// Opened by a token that ends soon, but not before that, however slow this machine is just now.
const openFor = optionsOf =>
	inTime(1000, async ms => {
		const realtime = make(optionsOf(tokenOf({ seconds: ms / 1000 + 1 }))); // the end of a token is a whole second
		await realtime.connect();
		assert.deepEqual(statesOf(realtime), ['connecting', 'open']);
		return realtime;
	});

describe('a token', () => {
	test('opens documents, events, presence and REST', async () => {
		const ann = make({ token: tokenOf() }), bob = make({ getToken: async () => tokenOf({ sub: 'bob' }) });
		await ann.sync.create('auth', { n: 1 }, { id: 'x' });
		const document = await bob.document('auth', 'x'), seen = [];
		bob.on('event:sync.auth.updated', ({ payload }) => seen.push(payload.by));
		assert.equal((await ann.sync.merge('auth', 'x', { big: 'x'.repeat(10000) })).revision, 2);
		assert.deepEqual((await ann.sync.services()).map(({ service }) => service), ['auth']);
		await until(() => document.revision === 2 && seen.length);
		assert.deepEqual(seen, ['ann']);
		assert.equal((await ann.presence.join('auth', 'x')).member.userId, 'ann');
	});

	test('that is no good closes for good; none at all is refused too', async () => {
		for (const token of ['nonsense', tokenOf().slice(0, -3), tokenOf({ seconds: -60 })]) {
			const realtime = make({ token });
			await assert.rejects(realtime.connect(), error => error instanceof AuthError && error.status === 401, token);
			assert.equal(realtime.state, 'closed');
		}
		await assert.rejects(make().sync.get('auth', 'x'), AuthError);
	});

	test('without the right: an error for that, and the connection stays', async () => {
		const realtime = make({ token: tokenOf({ rights: { auth: 'r' } }) });
		await assert.rejects(realtime.sync.merge('auth', 'x', {}), error => error instanceof AuthError && error.status === 403);
		await assert.rejects(realtime.subscribe({ topic: 'sync.other.*' }).ready, AuthError);
		assert.equal((await realtime.sync.get('auth', 'x')).id, 'x');
		assert.equal(realtime.state, 'open');
	});

	test('that the server refuses over HTTP is replaced, and the request made again, reads and writes', async () => {
		let asked = 0;
		const realtime = make({ autoConnect: false, getToken: () => (asked++ ? tokenOf() : tokenOf().slice(0, -3)) });
		await realtime.sync.replace('auth', 'http', { n: 1 }, { idempotencyKey: 'k1' });
		assert.ok((await realtime.sync.services()).some(({ service }) => service === 'auth'));
		assert.equal(asked, 2);
	});

	test('is renewed before it ends, over the same connection', async () => {
		let asked = 0;
		const realtime = make({ getToken: () => tokenOf({ seconds: asked++ ? 600 : 12 }) }); // renewed 3 s before
		await realtime.connect();
		const first = realtime.connectionId;
		await until(() => asked >= 2);
		await realtime.sync.get('auth', 'x');
		assert.deepEqual([realtime.connectionId, realtime.states.map(({ state }) => state), realtime.errors], [first, ['connecting', 'open'], []]);
	});

	test('that ends is followed by another connection with a new one; nothing is lost', async () => {
		const writer = make({ token: tokenOf() });
		// The second call fails: it was not renewed in time.
		const realtime = await openFor(short => {
			let asked = 0;
			return {
				getToken: () => {
					if (asked++ === 1) throw new Error('sign-in is down');
					return asked > 1 ? tokenOf() : short;
				},
			};
		});
		const first = realtime.connectionId, document = await realtime.document('auth', 'x');
		await until(() => realtime.state === 'reconnecting' || realtime.connectionId !== first);
		assert.equal(realtime.states.find(({ state }) => state === 'reconnecting').code, 4001);
		const { revision } = await writer.sync.merge('auth', 'x', { after: true });
		await until(() => document.revision === revision);
		const fixed = await openFor(token => ({ token }));
		await until(() => fixed.state === 'closed');
		assert.equal(fixed.states.at(-1).error.code, 'token_expired');
	});

	test('of another user takes another connection; one with fewer rights ends what it does not cover', async () => {
		const realtime = make({ token: tokenOf() });
		await realtime.connect();
		const first = realtime.connectionId;
		await realtime.setToken(tokenOf({ sub: 'bob' }));
		await until(() => realtime.state === 'open' && realtime.connectionId !== first);
		assert.equal((await realtime.presence.join('auth', 'y')).member.userId, 'bob');
		const subscription = realtime.subscribe({ topic: 'sync.auth.*' });
		await subscription.ready;
		await realtime.setToken(tokenOf({ sub: 'bob', rights: { other: 'r' } }));
		await until(() => !subscription.isActive);
		assert.equal(realtime.state, 'open');
	});
});
