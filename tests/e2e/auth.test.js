// auth.test.js: tokens through the life of a connection: expiry, refresh; rights on lists, counts, wide subscriptions and presence.
// The table of routes and messages is in auth_matrix.test.js, keys and signatures in auth_keys.test.js, tokens that
// may write and not read in auth_blind.test.js.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	Daemon,
	EventStream,
	Redis,
	assertProblem,
	assertStatus,
	bearer,
	documentPath,
	inTime,
	jwtSettings,
	makeDirectory,
	nothingUntilPong,
	now,
	secret,
	token,
	until,
	withDaemon,
	writeFile,
} from './harness.js';

const all = { '*': 'rwpa' };

let redis;
before(async () => {
	redis = await Redis.start();
});
after(() => redis?.stop());

describe('with one key', () => {
	const key = secret();
	const made = (rights, claims) => token(rights, key, { claims });
	const as = (rights, claims) => ({ headers: bearer(made(rights, claims)) });
	let daemon, admin, rest;
	before(async () => {
		daemon = await Daemon.start({
			redis,
			settings: jwtSettings(writeFile(path.join(makeDirectory('auth'), 'key'), key), { 'log.level': 'debug', 'log.access': 'yes' }),
		});
		rest = daemon.rest;
		admin = bearer(made(all, { sub: 'root' }));
	});
	after(async () => {
		await daemon?.stop();
		if (daemon) assert.doesNotMatch(daemon.stderr, /eyJ/, 'a token in the log');
	});

	const put = async (service, id, data = {}) =>
		assertStatus(await rest.put(documentPath(service, id), { data }, admin), 201);

	test('a socket ends with 4001 at exp, a refresh in time keeps it', async () => {
		// In time: before the second in which they end.
		const [ends, stays, refreshed] = await inTime(2000, async ms => {
			const exp = now() + ms / 1000 + 1;
			const [one, other] = await Promise.all([daemon.connect(as(all, { exp })), daemon.connect(as(all, { exp }))]);
			const answer = await other.request({ type: 'auth', token: made(all) });
			assert.equal(answer.type, 'result', answer.text);
			return [one, other, answer];
		});
		assert.ok(refreshed.expiresAt > Date.now() + 200000);
		// The old token again: it takes the shorter time.
		const end = await ends.waitForClose();
		assert.equal(end.code, 4001, end.reason);
		assert.equal((await stays.request({ type: 'sync.list', service: 's' })).type, 'result');
	});

	test('a socket that is opened in the leeway has it, one after it is not opened', async () => {
		const ws = await daemon.connect(as(all, { exp: now() - 10 }));
		assert.equal((await ws.request({ type: 'ping' })).type, 'pong');
		const late = await daemon.connect();
		const answer = await late.request({ type: 'auth', token: made(all, { exp: now() - 31 }) });
		assert.equal(answer.code, 'token_expired');
		assert.equal((await late.waitForClose()).code, 4001);
	});

	test('a refresh may not change sub, and one that fails changes nothing', async () => {
		const ws = await daemon.connect(as(all));
		assert.equal((await ws.request({ type: 'auth', token: 'x' })).status, 401);
		assert.equal((await ws.request({ type: 'auth' })).status, 400);
		assert.equal((await ws.request({ type: 'auth', token: 7 })).status, 400);
		assert.equal((await ws.request({ type: 'sync.list', service: 's' })).type, 'result');
		const answer = await ws.request({ type: 'auth', token: made(all, { sub: 'bob' }) });
		assert.deepEqual([answer.status, answer.code], [403, 'subject_changed']);
		assert.equal((await ws.waitForClose()).code, 4003);
	});

	test('who says nothing is closed after ten seconds, who says it in time is not', async () => {
		const started = Date.now();
		const silent = await daemon.connect(), speaks = await daemon.connect();
		assert.equal((await speaks.request({ type: 'auth', token: made(all) })).type, 'result');
		const end = await silent.waitForClose();
		assert.equal(end.code, 4003);
		assert.ok(Date.now() - started >= 9900);
		assert.equal((await speaks.request({ type: 'ping' })).type, 'pong');
	});

	test('messages may have 64 KiB before authentication, and documents.max_size after it', async () => {
		const ws = await daemon.connect();
		const fits = { type: 'sync.create', service: 's', data: { text: '' } };
		fits.data.text = 'x'.repeat(64000);
		assert.equal((await ws.request(fits)).status, 401);
		assert.equal((await ws.request({ type: 'auth', token: made(all) })).type, 'result');
		fits.data.text = 'x'.repeat(65500);
		assert.equal((await ws.request(fits)).type, 'result');
		const other = await daemon.connect();
		fits.data.text = 'x'.repeat(65536);
		other.send({ id: 'big', ...fits }); // its id in the first 4 KiB
		const answer = await other.next(message => message.id === 'big');
		assert.deepEqual([answer.status, answer.code], [413, 'message_too_big']);
		assert.match(answer.message, /65536/);
		assert.equal((await other.waitForClose()).code, 1009);
	});

	test('event streams take the token from the query, nothing else does, and it must not stand in both', async () => {
		const text = made(all);
		const stream = await EventStream.open(daemon.port, `/v1/events?access_token=${text}&topic=sync.q.created`);
		assert.equal(stream.status, 200);
		await put('q', 'query');
		await stream.waitFor(1);
		assert.equal(stream.messages[0].payload.documentId, 'query');
		stream.close();
		const own = await EventStream.open(daemon.port, `${documentPath('q', 'query')}/events?access_token=${text}`);
		assert.equal(own.status, 200);
		own.close();
		assertProblem(await rest.get(`/v1/services?access_token=${text}`), 401, 'unauthorized');
		assertProblem(await rest.get(`/v1/services?access_token=${text}`, admin), 400, 'invalid_query');
		const both = await EventStream.open(daemon.port, `/v1/events?topic=sync.q.created&access_token=${text}`, { headers: admin });
		assert.equal(both.status, 400);
		const bad = await EventStream.open(daemon.port, '/v1/events?topic=sync.q.created&access_token=');
		assert.equal(bad.status, 401);
	});

	test('streams and long polls end at exp', async () => {
		await put('e', 'ends');
		const headers = bearer(made(all, { exp: now() + 3 }));
		const stream = await EventStream.open(daemon.port, '/v1/events?topic=sync.e.updated', { headers });
		assert.equal(stream.status, 200);
		const { etag } = (await rest.get(documentPath('e', 'ends'), admin)).headers;
		const answer = await rest.get(`${documentPath('e', 'ends')}?wait=50s`, { ...headers, 'If-None-Match': etag });
		assertProblem(answer, 401, 'token_expired');
		await until(() => stream.end, undefined, () => 'the end of the stream');
		assert.equal(stream.end, 'end');
	});

	test('by in events and history, and userId in presence, are the sub', async () => {
		const watcher = await daemon.connect({ headers: admin });
		await watcher.subscribe({ topic: 'sync.by.*', documentId: 'd' });
		const sub = 'Änn "the" user, 1';
		const ws = await daemon.connect(as({ by: 'rwp' }, { sub }));
		await ws.request({ type: 'sync.create', service: 'by', documentId: 'd' });
		assert.equal((await watcher.event()).payload.by, sub);
		await rest.patch(documentPath('by', 'd'), { data: { a: 1 } }, undefined, bearer(made({ by: 'rwp' }, { sub })));
		assert.equal((await watcher.event()).payload.by, sub);
		const history = assertStatus(await rest.get(`${documentPath('by', 'd')}/history`, admin), 200);
		assert.deepEqual(history.revisions.map(item => item.by), [sub, sub]);
		await ws.request({ type: 'presence.join', service: 'by', documentId: 'd' });
		const second = await daemon.connect(as({ by: 'p' }, { sub }));
		await second.request({ type: 'presence.join', service: 'by', documentId: 'd' });
		const member = `${documentPath('by', 'd')}/presence/rest`;
		assert.equal((await rest.put(member, {}, bearer(made({ by: 'p' }, { sub })))).status, 201);
		const list = assertStatus(await rest.get(`${documentPath('by', 'd')}/presence`, admin), 200);
		assert.equal(list.count, 1);
		assert.deepEqual(list.members.map(one => one.userId), [sub, sub, sub]);
		// Another user's member is not to be taken or removed.
		const other = bearer(made({ by: 'p' }, { sub: 'bob' }));
		assertProblem(await rest.put(member, {}, other), 409, 'presence_member_taken');
		assertProblem(await rest.delete(member, other), 409, 'presence_member_taken');
		assert.equal((await rest.delete(member, bearer(made({ by: 'p' }, { sub })))).status, 204);
		const event = await watcher.event(message => message.topic === 'sync.by.presence');
		assert.equal(event.payload.joined[0].userId, sub);
	});

	describe('document patterns', () => {
		const rights = { p: { rights: 'rwp', documents: ['u42-*', 'lobby', 'zz-*'] } };
		const ids = ['a', 'lobby', 'lobby2', 'u4', 'u42-', 'u42-1', 'u42-2', 'u43-1', 'zy', 'zz-9'];
		const seen = ['lobby', 'u42-', 'u42-1', 'u42-2', 'zz-9'];
		let headers;
		before(async () => {
			headers = bearer(made(rights));
			for (const id of ids) await put('p', id);
		});

		const pages = async (query, of = headers) => {
			const found = [];
			let next = '';
			do {
				const page = assertStatus(await rest.get(`/v1/services/p/documents?${query}${next && `&page_token=${next}`}`, of), 200);
				found.push(...page.items.map(item => item.id));
				next = page.next_page_token ?? '';
				// A token must not name what may not be seen.
				for (const id of ids) if (!seen.includes(id) && id.length > 2) assert.ok(!next.endsWith(id), next);
			} while (next);
			return found;
		};

		test('lists have what they allow, in both orders and in pages of any size', async () => {
			for (const size of [1, 2, 3, 100]) {
				assert.deepEqual(await pages(`order=id&page_size=${size}`), seen);
				assert.deepEqual(await pages(`order=updated&page_size=${size}`), [...seen].reverse());
				assert.deepEqual(await pages(`order=id&prefix=u&page_size=${size}`), ['u42-', 'u42-1', 'u42-2']);
				assert.deepEqual(await pages(`order=id&prefix=u42-1&page_size=${size}`), ['u42-1']);
				assert.deepEqual(await pages(`order=id&prefix=l&page_size=${size}`), ['lobby']);
				assert.deepEqual(await pages(`order=id&prefix=lobby2&page_size=${size}`), []);
				assert.deepEqual(await pages(`order=updated&prefix=z&page_size=${size}`), ['zz-9']);
			}
			const ws = await daemon.connect({ headers });
			const list = await ws.request({ type: 'sync.list', service: 'p', order: 'id' });
			assert.deepEqual(list.items.map(item => item.id), seen);
			// A page token of somebody who sees all leads no further.
			const full = assertStatus(await rest.get('/v1/services/p/documents?order=id&page_size=3', admin), 200);
			const rest2 = assertStatus(await rest.get(`/v1/services/p/documents?order=id&page_token=${full.next_page_token}`, headers), 200);
			assert.deepEqual(rest2.items.map(item => item.id), seen.slice(1));
		});

		test('an id and what begins with it and more are listed once', async () => {
			const of = bearer(made({ once: { rights: 'r', documents: ['e1', 'e1-*', 'e', 'f*'] } }));
			for (const id of ['e1-1', 'e1-2', 'e2', 'e10', 'f']) await put('once', id);
			const list = async size => {
				const found = [];
				let next = '';
				do {
					const page = assertStatus(await rest.get(`/v1/services/once/documents?order=id&page_size=${size}${next}`, of), 200);
					found.push(...page.items.map(item => item.id));
					next = page.next_page_token ? `&page_token=${page.next_page_token}` : '';
				} while (next);
				return found;
			};
			for (const size of [1, 2, 10]) assert.deepEqual(await list(size), ['e1-1', 'e1-2', 'f']);
			await put('once', 'e1');
			for (const size of [1, 2, 10]) assert.deepEqual(await list(size), ['e1', 'e1-1', 'e1-2', 'f']);
		});

		test('counts and batchGet', async () => {
			const count = async of => {
				const { items } = assertStatus(await rest.get('/v1/services', of), 200);
				return Object.fromEntries(items.map(item => [item.service, item.documents]));
			};
			assert.deepEqual(await count(headers), { p: seen.length });
			assert.equal((await count(admin)).p, ids.length);
			assertStatus(await rest.delete(documentPath('p', 'zz-9'), admin), 200);
			assert.deepEqual(await count(headers), { p: seen.length - 1 });
			assertStatus(await rest.put(documentPath('p', 'zz-9'), { data: {} }, admin), 201);
			assert.deepEqual(await count(bearer(made({ p: 'w', '*': { rights: 'r', documents: ['nothing'] } }))), {});
			assert.deepEqual(await count(bearer(made({ p: { rights: 'r', documents: [] } }))), {});
			const got = assertStatus(await rest.post('/v1/services/p/documents:batchGet', { ids: ['a', 'u42-1', 'lobby2', 'lobby'] }, headers), 200);
			assert.deepEqual(got.items.map(item => item.id), ['u42-1', 'lobby']);
		});

		test('ids that the server makes are allowed where all of them are', async () => {
			assertProblem(await rest.post('/v1/services/p/documents', {}, headers), 403, 'forbidden');
			const made2 = bearer(made({ p: { rights: 'w', documents: ['doc_*'] } }));
			assertStatus(await rest.post('/v1/services/g/documents', {}, bearer(made({ g: { rights: 'w', documents: ['doc_*'] } }))), 201);
			assertProblem(await rest.post('/v1/services/p/documents', { id: 'x' }, made2), 403, 'forbidden');
		});

		const touch = async id => assertStatus(await rest.patch(documentPath('p', id), { data: { n: Math.random() } }, undefined, admin), 200);
		const documentOf = message => message.payload.documentId;

		test('wide subscriptions and streams bring what they allow, presence included', async () => {
			const ws = await daemon.connect({ headers }), wide = await daemon.connect({ headers });
			await ws.subscribe({ topic: 'sync.p.updated', presence: true });
			await wide.subscribe({ topic: 'sync.*.*' });
			const stream = await EventStream.open(daemon.port, '/v1/events?topic=sync.p.*', { headers });
			const boss = await daemon.connect({ headers: admin });
			for (const id of ids) await touch(id);
			for (const id of ['a', 'lobby', 'u43-1']) await boss.request({ type: 'presence.join', service: 'p', documentId: id });
			for (const client of [ws, wide]) {
				for (const id of seen) assert.equal(documentOf(await client.event(message => message.topic === 'sync.p.updated')), id);
				assert.equal(documentOf(await client.event(message => message.topic === 'sync.p.presence')), 'lobby');
			}
			await touch('a');
			await touch('u42-1');
			for (const client of [ws, wide]) {
				// Not just any: what was written before the subscribe may still come after it.
				assert.equal(documentOf(await client.event(message => message.topic === 'sync.p.updated')), 'u42-1');
				assert.ok(await nothingUntilPong(client, message => message.type === 'event'));
			}
			await stream.waitFor(seen.length + 2);
			assert.deepEqual(new Set(stream.messages.map(documentOf)), new Set(seen));
			stream.close();
		});

		// On a daemon of its own: there are no others, nor some that are just going.
		test('equal rights share an audience, others do not', () => withDaemon(daemon.options, async own => {
			const gauge = async () => {
				const { text } = await own.rest.get('/metrics');
				return Number(/^syncdoc_audiences\{[^}]*\} (\d+)/m.exec(text)?.[1] ?? /^syncdoc_audiences (\d+)/m.exec(text)[1]);
			};
			const open = async (who, sub) => {
				const ws = await own.connect(as(who, { sub }));
				await ws.subscribe({ topic: 'sync.p.deleted' });
			};
			for (const sub of ['ann', 'bob', 'carl']) await open(rights, sub);
			await until(async () => (await gauge()) === 1, undefined, () => 'one audience');
			await open({ p: { rights: 'r', documents: ['u42-*'] } }, 'dora');
			await until(async () => (await gauge()) === 2, undefined, () => 'two audiences');
			for (const [sub, who] of [['eve', { p: 'rp' }], ['fay', { '*': 'rp' }]]) await open(who, sub);
			await until(async () => (await gauge()) === 3, undefined, () => 'three audiences');
		}));

		test('after replays what they allow', async () => {
			const ws = await daemon.connect({ headers });
			const { position } = await ws.subscribe({ topic: 'sync.p.*' });
			ws.close();
			const revisions = {};
			for (const id of ids) revisions[id] = (await touch(id)).revision;
			const again = await daemon.connect({ headers });
			const answer = await again.subscribe({ topic: 'sync.p.*', after: position });
			assert.equal(answer.outcome, 'replayed');
			// What came shortly before may come again.
			for (const id of seen)
				await again.event(message => documentOf(message) === id && message.payload.revision === revisions[id]);
			assert.ok(await nothingUntilPong(again, message => message.type === 'resync'));
			assert.deepEqual(again.events.map(documentOf).filter(id => !seen.includes(id)), []);
			// The same for a stream that comes back.
			const stream = await EventStream.open(daemon.port, '/v1/events?topic=sync.p.*', {
				headers: { ...headers, 'Last-Event-ID': position },
			});
			const has = id => stream.messages.some(({ payload }) => payload?.documentId === id && payload.revision === revisions[id]);
			await until(() => seen.every(has), undefined, () => 'all that was missed');
			assert.deepEqual(stream.messages.filter(message => message.type !== 'event' || !seen.includes(documentOf(message))), []);
			stream.close();
		});

		test('after a refresh what is not allowed any more ends, and what changed says so', async () => {
			const ws = await daemon.connect(as({ p: 'rwp', q: 'r', z: 'r' }));
			await ws.subscribe({ topic: 'sync.p.updated' });
			await ws.subscribe({ topic: 'sync.p.*', documentId: 'a' });
			await ws.subscribe({ topic: 'sync.p.*', documentId: 'u42-1' });
			await ws.subscribe({ topic: 'sync.q.updated', documentPrefix: 'x' });
			await ws.subscribe({ topic: 'sync.z.updated' });
			for (const id of ['a', 'u42-1'])
				assert.equal((await ws.request({ type: 'presence.join', service: 'p', documentId: id })).type, 'result');
			await touch('a');
			assert.equal(documentOf(await ws.event(message => message.topic === 'sync.p.updated')), 'a');

			const answer = await ws.request({ type: 'auth', token: made({ ...rights, z: 'r' }) });
			assert.equal(answer.type, 'result');
			const ended = [await ws.next(message => message.type === 'error'), await ws.next(message => message.type === 'error')];
			assert.deepEqual(
				ended.map(({ code, status, topic, documentId, documentPrefix }) => ({ code, status, topic, documentId, documentPrefix })).sort((a, b) => a.topic.localeCompare(b.topic)),
				[
					{ code: 'forbidden', status: 403, topic: 'sync.p.*', documentId: 'a', documentPrefix: undefined },
					{ code: 'forbidden', status: 403, topic: 'sync.q.updated', documentId: undefined, documentPrefix: 'x' },
				],
			);
			const resync = await ws.next(message => message.type === 'resync');
			assert.deepEqual([resync.topic, resync.documentId, resync.reason], ['sync.p.updated', undefined, 'rights']);
			ws.unread.length = 0;
			for (const id of ['a', 'u43-1', 'u42-1']) await touch(id);
			assert.equal(documentOf(await ws.event(message => message.topic === 'sync.p.updated')), 'u42-1');
			assert.ok(await nothingUntilPong(ws, message => ['error', 'resync'].includes(message.type) || message.topic === 'sync.p.updated'));
			// It has left where it may not be.
			await until(async () => (await rest.get(`${documentPath('p', 'a')}/presence`, admin)).json.count === 1, undefined, () => 'left');
			assert.equal((await ws.request({ type: 'presence.list', service: 'p', documentId: 'u42-1' })).count, 1);
			assert.equal((await ws.request({ type: 'sync.get', service: 'p', documentId: 'a' })).status, 403);

			// And back: more rights.
			await ws.request({ type: 'auth', token: made({ p: 'rwp', z: 'r' }) });
			assert.equal((await ws.next(message => message.type === 'resync')).topic, 'sync.p.updated');
			await touch('u43-1');
			assert.equal(documentOf(await ws.event(message => message.payload.documentId === 'u43-1')), 'u43-1');
		});
	});

	test('presence that the first token did not allow comes after a refresh that does', async () => {
		const ws = await daemon.connect(as({ pr: 'r' }));
		await ws.subscribe({ topic: 'sync.pr.*', documentId: 'a' });
		await ws.subscribe({ topic: 'sync.pr.*', documentId: 'b', presence: false });
		await ws.subscribe({ topic: 'sync.pr.updated' });
		await ws.request({ type: 'auth', token: made({ pr: 'rp' }) });
		const resync = await ws.next(message => message.type === 'resync');
		assert.deepEqual([resync.topic, resync.documentId, resync.reason], ['sync.pr.*', 'a', 'rights']);
		assert.ok(await nothingUntilPong(ws, message => message.type === 'resync'), 'the others are what they were');
		for (const id of ['b', 'a'])
			assertStatus(await rest.put(`${documentPath('pr', id)}/presence/bob`, {}, admin), 201);
		const event = await ws.event(message => message.topic === 'sync.pr.presence');
		assert.equal(event.payload.documentId, 'a');
		assert.ok(await nothingUntilPong(ws, message => message.topic === 'sync.pr.presence'));
		// And is gone with the right.
		await ws.request({ type: 'auth', token: made({ pr: 'r' }) });
		assert.equal((await ws.next(message => message.type === 'resync')).documentId, 'a');
		assertStatus(await rest.delete(`${documentPath('pr', 'a')}/presence/bob`, admin), 204);
		assertStatus(await rest.put(documentPath('pr', 'a'), { data: {} }, admin), 201);
		await ws.event(message => message.topic === 'sync.pr.created');
		assert.ok(await nothingUntilPong(ws, message => message.topic === 'sync.pr.presence'));
	});

	test('a snapshot that is being read when the right to read goes is not sent', async () => {
		assertStatus(await rest.put(documentPath('late', 'a'), { data: { secret: 1 } }, admin), 201);
		const ws = await daemon.connect(as({ late: 'rp' }));
		redis.process.kill('SIGSTOP');
		try {
			ws.send({ type: 'subscribe', topic: 'sync.late.presence', documentId: 'a', snapshot: true, id: 7 });
			assert.equal((await ws.request({ type: 'auth', token: made({ late: 'p' }) })).type, 'result');
		} finally {
			redis.process.kill('SIGCONT');
		}
		const answer = await ws.next(message => message.id === 7);
		assert.deepEqual([answer.type, answer.status, answer.code, answer.document], ['error', 403, 'forbidden', undefined]);
		assert.equal((await ws.request({ type: 'unsubscribe', topic: 'sync.late.presence', documentId: 'a' })).status, 404);
	});

	test('what was refused, and what ended, is counted', async () => {
		const { text } = await rest.get('/metrics');
		for (const name of ['auth_ended', 'auth_timeouts'])
			assert.match(text, new RegExp(`^syncdoc_${name}(_total)?\\{[^}]*\\} [1-9]`, 'm'), name);
		for (const code of ['unauthorized', 'invalid_token', 'token_expired', 'forbidden', 'subject_changed'])
			assert.match(text, new RegExp(`^syncdoc_refus\\w+\\{[^}]*code="${code}"[^}]*\\} [1-9]`, 'm'), code);
	});
});
