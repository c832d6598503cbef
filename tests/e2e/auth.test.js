// auth.test.js: tokens through the life of a connection: expiry, refresh, and what they say of its user. Rights on some documents only:
// auth_documents.test.js; tokens that may write and not read: auth_blind.test.js; the table of routes and messages:
// auth_matrix.test.js; keys and signatures: auth_keys.test.js.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
	EventStream,
	Redis,
	assertProblem,
	assertStatus,
	bearer,
	documentPath,
	inTime,
	nothingUntilPong,
	now,
	until,
} from './harness.js';
import { ALL_RIGHTS, Guarded } from './lib/guarded.js';

let redis, guarded, daemon, admin, rest;
before(async () => {
	redis = await Redis.start();
	guarded = await Guarded.start(redis);
	({ daemon, admin, rest } = guarded);
});
after(async () => {
	await guarded?.stop();
	await redis?.stop();
});

const made = (rights, claims) => guarded.token(rights, claims);
const as = (rights, claims) => guarded.as(rights, claims);
const put = (service, id, data) => guarded.put(service, id, data);

test('a socket ends with 4001 at exp, a refresh in time keeps it', async () => {
	// In time: before the second in which they end.
	const [ends, stays, refreshed] = await inTime(2000, async ms => {
		const exp = now() + ms / 1000 + 1;
		const [one, other] = await Promise.all([daemon.connect(as(ALL_RIGHTS, { exp })), daemon.connect(as(ALL_RIGHTS, { exp }))]);
		const answer = await other.request({ type: 'auth', token: made(ALL_RIGHTS) });
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
	const ws = await daemon.connect(as(ALL_RIGHTS, { exp: now() - 10 }));
	assert.equal((await ws.request({ type: 'ping' })).type, 'pong');
	const late = await daemon.connect();
	const answer = await late.request({ type: 'auth', token: made(ALL_RIGHTS, { exp: now() - 31 }) });
	assert.equal(answer.code, 'token_expired');
	assert.equal((await late.waitForClose()).code, 4001);
});

test('a refresh may not change sub, and one that fails changes nothing', async () => {
	const ws = await daemon.connect(as(ALL_RIGHTS));
	assert.equal((await ws.request({ type: 'auth', token: 'x' })).status, 401);
	assert.equal((await ws.request({ type: 'auth' })).status, 400);
	assert.equal((await ws.request({ type: 'auth', token: 7 })).status, 400);
	assert.equal((await ws.request({ type: 'sync.list', service: 's' })).type, 'result');
	const answer = await ws.request({ type: 'auth', token: made(ALL_RIGHTS, { sub: 'bob' }) });
	assert.deepEqual([answer.status, answer.code], [403, 'subject_changed']);
	assert.equal((await ws.waitForClose()).code, 4003);
});

test('who says nothing is closed after ten seconds, who says it in time is not', async () => {
	const started = Date.now();
	const silent = await daemon.connect(), speaks = await daemon.connect();
	assert.equal((await speaks.request({ type: 'auth', token: made(ALL_RIGHTS) })).type, 'result');
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
	assert.equal((await ws.request({ type: 'auth', token: made(ALL_RIGHTS) })).type, 'result');
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
	const text = made(ALL_RIGHTS);
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
	const headers = bearer(made(ALL_RIGHTS, { exp: now() + 3 }));
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
