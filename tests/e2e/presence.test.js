// presence.test.js: who is at a document: over WebSocket and REST, and what others are told.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Pace, assertProblem, assertStatus, inTime, nothingUntilPong, startPair, until } from './harness.js';
import { listOver, presenceEvents, presencePath, viewOf } from './lib/presence.js';

const SERVICE = 'room', COALESCED_MS = 50;
let pair, rest, pace, names = 0;
before(async () => {
	pair = await startPair({ settings: { workers: 2, 'ws.rate': 100000, 'ws.burst': 100000 } });
	({ rest } = pair);
	pace = await Pace.start({ daemons: [pair.daemon], redis: pair.redis });
});
after(() => {
	pace?.stop();
	return pair?.stop();
});

const freshId = () => `doc_${++names}`;
const connect = () => pair.daemon.connect();
const isPresence = id => event => event.topic === `sync.${SERVICE}.presence` && event.payload.documentId === id;

async function subscriberOf(id, options = {}) {
	const client = await connect();
	await client.subscribe({ topic: `sync.${SERVICE}.*`, documentId: id, ...options });
	return client;
}

async function join(client, id, rest = {}) {
	const answer = await client.request({ type: 'presence.join', service: SERVICE, documentId: id, ...rest });
	assert.equal(answer.type, 'result', answer.text);
	return answer;
}

describe('over WebSocket', () => {
	test('join, update, leave: answers, list and events', async () => {
		const id = freshId(), watcher = await subscriberOf(id), ann = await connect(), { connectionId } = ann.welcome;
		const before = Date.now();
		const joined = await join(ann, id, { mode: 'editing', data: { name: 'Änn', list: [], deep: { n: 9007199254740993n.toString() } } });
		assert.equal(joined.count, 1);
		assert.equal(joined.service, SERVICE);
		assert.equal(joined.documentId, id);
		const { since, updatedAt, ...member } = joined.member;
		assert.deepEqual(member, { userId: connectionId, connectionId, mode: 'editing', data: { name: 'Änn', list: [], deep: { n: '9007199254740993' } } });
		assert.ok(since >= before - 5 && since <= Date.now() + 5 && updatedAt === since);

		const event = await watcher.event(isPresence(id));
		assert.equal(event.source, 'sync');
		assert.match(event.position, /^[0-9a-f]{8}-\d+$/);
		assert.deepEqual(event.payload, { service: SERVICE, documentId: id, joined: [joined.member], updated: [], left: [], count: 1 });
		const { type, id: messageId, ...list } = await listOver(watcher, SERVICE, id);
		assert.deepEqual(list, { service: SERVICE, documentId: id, count: 1, members: [joined.member] });

		const updated = await ann.request({ type: 'presence.update', service: SERVICE, documentId: id, mode: 'viewing' });
		assert.equal(updated.member.mode, 'viewing');
		assert.deepEqual(updated.member.data, joined.member.data, 'what is not said stays');
		assert.equal(updated.member.since, since);
		const second = await watcher.event(isPresence(id));
		assert.deepEqual(second.payload, { service: SERVICE, documentId: id, joined: [], updated: [updated.member], left: [], count: 1 });

		const left = await ann.request({ type: 'presence.leave', service: SERVICE, documentId: id });
		assert.equal(left.type, 'result');
		assert.equal(left.count, 0);
		const third = await watcher.event(isPresence(id));
		assert.deepEqual(third.payload, { service: SERVICE, documentId: id, joined: [], updated: [], left: [{ userId: connectionId, connectionId }], count: 0 });
		assert.deepEqual((await listOver(ann, SERVICE, id)).members, []);
		assert.equal(await pair.redis.command('EXISTS', `syncdoc:presence:${SERVICE}:${id}`), 0);
	});

	test('data keeps its exact text', async () => {
		const id = freshId(), client = await connect(), data = '{"e":[],"o":{},"n":18446744073709551615,"d":1.50e+3,"s":"\\u00e9\\"]}"}';
		client.send(`{"type":"presence.join","service":"${SERVICE}","documentId":"${id}","data":${data},"id":1}`);
		const answer = await client.next(message => message.id === 1);
		assert.ok(answer.text.includes(`"data":${data},"since":`), answer.text);
		assert.ok((await listOver(client, SERVICE, id)).text.includes(`"data":${data},"since":`));
		await client.request({ type: 'presence.update', service: SERVICE, documentId: id, mode: 'editing' });
		assert.ok((await listOver(client, SERVICE, id)).text.includes(`"mode":"editing","data":${data},"since":`));
	});

	test('a second join of the same connection changes its entry', async () => {
		const id = freshId(), client = await connect();
		const first = await join(client, id, { mode: 'editing', data: { a: 1 } }), again = await join(client, id);
		assert.equal(again.count, 1);
		assert.deepEqual([again.member.mode, again.member.data, again.member.since], ['viewing', {}, first.member.since]);
	});

	test('joins and leaves sent without waiting end as the last one says', async () => {
		const id = freshId(), client = await connect(), watcher = await subscriberOf(id);
		for (let i = 0; i < 5; i++) {
			client.send({ type: 'presence.join', service: SERVICE, documentId: id, data: { i }, id: `j${i}` });
			client.send({ type: 'presence.leave', service: SERVICE, documentId: id, id: `l${i}` });
		}
		await join(client, id, { data: { last: true } });
		assert.deepEqual((await listOver(client, SERVICE, id)).members.map(member => member.data), [{ last: true }]);
		await until(() => viewOf(watcher.events, id).members.get(client.welcome.connectionId)?.data.last);
		assert.equal(viewOf(watcher.events, id).count, 1);
	});

	test('refusals', async () => {
		const id = freshId(), client = await connect();
		const rows = [[{ type: 'presence.update' }, 404, 'not_present'], [{ type: 'presence.leave' }, 404, 'not_present'],
			[{ type: 'presence.join', mode: 'sleeping' }, 422, 'invalid_member'], [{ type: 'presence.join', mode: 7 }, 422, 'invalid_member'],
			[{ type: 'presence.join', data: [] }, 422, 'data_not_object'], [{ type: 'presence.join', data: null }, 422, 'data_not_object'],
			[{ type: 'presence.join', data: { x: 'y'.repeat(1020) } }, 413, 'presence_too_large'], [{ type: 'presence.join', colour: 1 }, 422, 'unknown_member'],
			[{ type: 'presence.leave', mode: 'viewing' }, 422, 'unknown_member'], [{ type: 'presence.join', documentId: 'a b' }, 400, 'invalid_id'],
			[{ type: 'presence.list', documentId: undefined }, 400, 'invalid_id'], [{ type: 'presence.list', service: 'a.b' }, 400, 'invalid_service']];
		for (const [message, status, code] of rows) {
			const answer = await client.request({ service: SERVICE, documentId: id, ...message });
			assert.deepEqual([answer.type, answer.status, answer.code], ['error', status, code], `${JSON.stringify(message)} ${answer.text}`);
		}
		await join(client, id, { data: { x: 'y'.repeat(1016) } }); // 1024 bytes
		assert.equal((await listOver(client, SERVICE, id)).count, 1);
	});

	test('a connection may be present at 100 documents', async () => {
		const client = await connect(), id = freshId();
		await Promise.all(Array.from({ length: 100 }, (_, i) => join(client, `${id}-${i}`)));
		const more = await client.request({ type: 'presence.join', service: SERVICE, documentId: `${id}-more` });
		assert.deepEqual([more.type, more.status, more.code], ['error', 403, 'too_many_presences']);
		await client.request({ type: 'presence.leave', service: SERVICE, documentId: `${id}-0` });
		await join(client, `${id}-more`);
		client.close();
		await until(async () => (await pair.redis.command('EXISTS', `syncdoc:presence:${SERVICE}:${id}-more`)) === 0);
	});

	test('who gets presence events', async () => {
		const id = freshId(), client = await connect();
		const wanting = [{ topic: `sync.${SERVICE}.updated`, documentId: id }, { topic: `sync.${SERVICE}.presence` }, { topic: 'sync.*.*' },
			{ topic: `sync.${SERVICE}.updated`, presence: true }, { topic: `sync.${SERVICE}.presence`, documentPrefix: id.slice(0, 4) },
			{ topic: `sync.${SERVICE}.presence`, returnMode: 'diff' }];
		const refusing = [{ topic: `sync.${SERVICE}.*`, documentId: id, presence: false }, { topic: `sync.${SERVICE}.updated` }, { topic: 'sync.*.*', presence: false },
			{ topic: 'sync.other.presence' }, { topic: `sync.${SERVICE}.presence`, documentId: `${id}x` }];
		const subscribers = await Promise.all([...wanting, ...refusing].map(async spec => {
			const subscriber = await connect();
			await subscriber.subscribe(spec);
			return subscriber;
		}));
		await join(client, id);
		for (const [i, spec] of wanting.entries())
			assert.equal((await subscribers[i].event(isPresence(id))).payload.joined.length, 1, JSON.stringify(spec));
		await client.request({ type: 'sync.create', service: SERVICE, documentId: id, data: {} });
		await subscribers[2].event(event => event.payload.revision === 1);
		for (const [i, spec] of refusing.entries())
			assert.ok(await nothingUntilPong(subscribers[wanting.length + i], message => message.topic?.endsWith('.presence')), JSON.stringify(spec));
	});
});

describe('coalescing', () => {
	test('40 who come at once are few events, and everybody is told of once', async () => {
		const id = freshId(), watcher = await subscriberOf(id);
		const clients = await Promise.all(Array.from({ length: 40 }, connect));
		const began = Date.now();
		await Promise.all(clients.map(client => join(client, id)));
		await until(() => viewOf(watcher.events, id).members.size === 40);
		const took = Date.now() - began;
		const events = presenceEvents(watcher, id);
		const joined = events.flatMap(event => event.payload.joined.map(member => member.connectionId));
		assert.deepEqual(joined.sort(), clients.map(client => client.welcome.connectionId).sort(), 'everybody once');
		assert.equal(events.at(-1).payload.count, 40);
		process.stdout.write(`# 40 joins: ${events.length} events\n`);
		// However long the joins took: one event in 50 ms.
		assert.ok(events.length <= 2 + took / COALESCED_MS, `${events.length} events in ${took} ms`);
		for (const client of clients)
			client.close();
		await until(() => viewOf(watcher.events, id).members.size === 0);
		assert.equal(viewOf(watcher.events, id).count, 0);
		assert.equal(presenceEvents(watcher, id).flatMap(event => event.payload.left).length, 40);
	});
});

describe('the end of a socket', () => {
	for (const [name, end] of [['terminated', client => client.socket.terminate()], ['closed', client => client.socket.close(1000)]])
		test(`${name}: left within a second, not before the grace`, async () => {
			const id = freshId(), watcher = await subscriberOf(id), client = await connect();
			await join(client, id);
			await watcher.event(isPresence(id));
			const start = Date.now();
			end(client);
			const event = await watcher.event(isPresence(id));
			const took = Date.now() - start, ran = pace.ranMs(start);
			process.stdout.write(`# ${name}: left after ${took.toFixed(0)} ms\n`);
			assert.deepEqual(event.payload.left.map(member => member.connectionId), [client.welcome.connectionId]);
			assert.equal(event.payload.count, 0);
			assert.ok(took >= 480, `${took} ms`);
			assert.ok(ran < 1000 + 1000, `${took} ms, of which all ran ${ran}`); // contract: 1 s; sanitizers on a busy machine
		});
});

describe('over REST', () => {
	test('put, list, heartbeat, get, delete', async () => {
		const id = freshId(), watcher = await subscriberOf(id), path = presencePath(SERVICE, id);
		assert.deepEqual(assertStatus(await rest.get(path), 200), { service: SERVICE, documentId: id, count: 0, members: [] });
		const first = assertStatus(await rest.put(`${path}/bob`, { mode: 'editing', data: { cursor: [1, 2] }, ttl: 60 }), 201);
		const { since, updatedAt, ...member } = first.member;
		assert.deepEqual(member, { userId: 'bob', connectionId: 'bob', mode: 'editing', data: { cursor: [1, 2] } });
		assert.equal(first.count, 1);
		assert.deepEqual((await watcher.event(isPresence(id))).payload.joined, [first.member]);

		const socket = await connect();
		await join(socket, id);
		await watcher.event(isPresence(id));
		const list = assertStatus(await rest.get(path), 200);
		assert.equal(list.count, 2);
		assert.deepEqual(list.members.map(item => item.userId).sort(), ['bob', socket.welcome.connectionId].sort());
		assert.deepEqual(list.members, (await listOver(socket, SERVICE, id)).members);

		assert.deepEqual(assertStatus(await rest.put(`${path}/bob`, undefined), 200).member, first.member, 'a heartbeat changes nothing');
		assert.ok(await nothingUntilPong(watcher, message => message.type === 'event'));
		const changed = assertStatus(await rest.put(`${path}/bob`, { mode: 'viewing' }), 200);
		assert.deepEqual([changed.member.mode, changed.member.data, changed.member.since], ['viewing', { cursor: [1, 2] }, since]);
		assert.deepEqual((await watcher.event(isPresence(id))).payload.updated, [changed.member]);
		assert.deepEqual(assertStatus(await rest.get(`${path}/bob`), 200).member, changed.member);

		assertStatus(await rest.delete(`${path}/bob`), 204);
		assert.deepEqual((await watcher.event(isPresence(id))).payload.left, [{ userId: 'bob', connectionId: 'bob' }]);
		assertProblem(await rest.get(`${path}/bob`), 404, 'presence_not_found');
		assertProblem(await rest.delete(`${path}/bob`), 404, 'presence_not_found');
		assert.equal(assertStatus(await rest.get(path), 200).count, 1);
	});

	test('a member lives by its time, and longer with a heartbeat', async () => {
		const id = freshId(), watcher = await subscriberOf(id), path = presencePath(SERVICE, id);
		const long = await inTime(1000, async ms => {
			const name = `long${ms}`;
			assertStatus(await rest.put(`${path}/${name}`, { ttl: ms / 1000 }), 201);
			assertStatus(await rest.put(`${path}/${name}`, { ttl: 3600 }), 200);
			return name;
		});
		const before = Date.now();
		assertStatus(await rest.put(`${path}/short`, { ttl: 1 }), 201);
		const put = Date.now();
		const event = await watcher.event(message => message.payload.left.some(({ userId }) => userId === 'short'));
		const ran = pace.ranMs(put);
		process.stdout.write(`# a member of ttl 1 left after ${Date.now() - put} ms\n`);
		assert.deepEqual(event.payload.left, [{ userId: 'short', connectionId: 'short' }]);
		assert.equal(event.payload.count, 1);
		assert.ok(Date.now() - before >= 950 && ran < 1000 + 2000, `${Date.now() - before} ms, of which all ran ${ran}`);
		assert.deepEqual(assertStatus(await rest.get(path), 200).members.map(member => member.userId), [long]);
		assertStatus(await rest.delete(`${path}/${long}`), 204);
		assert.equal(await pair.redis.command('ZCARD', 'syncdoc:presence-expiry'), 0);
	});

	test("a socket's member is not REST's to change", async () => {
		const id = freshId(), client = await connect(), path = presencePath(SERVICE, id, client.welcome.connectionId);
		const { member } = await join(client, id, { mode: 'editing' });
		assertProblem(await rest.put(path, { mode: 'viewing' }), 409, 'presence_member_taken');
		assertProblem(await rest.delete(path), 409, 'presence_member_taken');
		assert.deepEqual(assertStatus(await rest.get(path), 200).member, member);
	});

	test('refusals', async () => {
		const id = freshId(), path = presencePath(SERVICE, id, 'bob');
		for (const [body, status, code] of [[{ mode: 'x' }, 422, 'invalid_member'], [{ data: 1 }, 422, 'data_not_object'], [{ data: { x: 'y'.repeat(1100) } }, 413, 'presence_too_large'],
			[{ ttl: 0 }, 400, 'invalid_member'], [{ ttl: 1.5 }, 400, 'invalid_member'], [{ ttl: 86401 }, 400, 'invalid_member'], [{ tll: 5 }, 422, 'unknown_member'],
			[[], 422, 'body_not_object'], ['{', 400, 'json_malformed'], ['{"mode":"viewing","mode":"editing"}', 422, 'json_not_representable']])
			assertProblem(await rest.put(path, body), status, code, JSON.stringify(body));
		assertProblem(await rest.put(presencePath(SERVICE, id, 'a%20b'), {}), 400, 'invalid_member');
		assertProblem(await rest.put(presencePath(SERVICE, id, 'a%20b'), {}, { 'content-type': 'text/plain' }), 400, 'invalid_member'); // names come first
		assertProblem(await rest.put(presencePath(SERVICE, id, '%23'), {}), 400, 'invalid_member');
		assertProblem(await rest.get(presencePath('a.b', id)), 400, 'invalid_service');
		assertProblem(await rest.get(`${presencePath(SERVICE, id)}?page_size=1`), 400, 'invalid_query');
		assertProblem(await rest.request('PUT', path, { body: 'x', type: 'text/plain' }), 415);
		assertProblem(await rest.request('POST', path, { body: {} }), 405);
		assertProblem(await rest.request('PUT', presencePath(SERVICE, id), { body: {} }), 405);
		assert.equal(assertStatus(await rest.get(presencePath(SERVICE, id)), 200).count, 0);
	});
});
