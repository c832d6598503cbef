// purge.test.js: tombstones go after documents.tombstone_ttl, with all their keys and without an event.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon, Redis, assertProblem, assertStatus, documentPath, inTime, keys, until } from './harness.js';

const DOCUMENTS = 450, // more than one script removes
	TOMBSTONE_MS = 1000;
let redis, hosts, rest;
before(async () => {
	redis = await Redis.start();
	hosts = [];
	for (const node of ['one', 'two'])
		hosts.push(await Daemon.start({ redis, settings: { node, 'documents.tombstone_ttl': 1, 'ws.rate': 100000, 'ws.burst': 100000 } }));
	({ rest } = hosts[0]);
});
after(async () => {
	for (const host of hosts ?? [])
		await host.stop();
	await redis?.stop();
});

const keysLeft = async service => (await redis.command('KEYS', `*:${service}*`)).concat((await redis.command('KEYS', `*:${service}:*`)));

test(`${DOCUMENTS} tombstones, some deleted and some expired, go with all their keys; then the service goes`, async () => {
	const ws = await hosts[1].connect();
	await ws.subscribe({ topic: 'sync.many.*' });
	await Promise.all(Array.from({ length: DOCUMENTS }, async (_, i) => {
		const path = documentPath('many', `d${i}`);
		await inTime(3000, async ms => assertStatus(await rest.put(path, { data: { i }, ...(i % 2 ? { expiresAt: Date.now() + ms } : {}) }), 201));
		if (i % 2 === 0)
			assertStatus(await rest.delete(path), 200);
	}));
	await redis.command('HSET', 'syncdoc:presence:many:d0', 'member', '{}');
	await until(async () => (await keysLeft('many')).length === 0, undefined, () => 'all keys are gone');
	assert.equal(await redis.command('ZSCORE', keys.services, 'many'), null);
	assert.equal(await redis.command('ZCARD', keys.expiry), 0);
	assertProblem(await rest.get(documentPath('many', 'd1')), 404);
	assert.doesNotMatch((await rest.get('/v1/services')).text, /many/);
	await until(() => ws.events.length >= 2 * DOCUMENTS);
	assert.equal(ws.events.length, 2 * DOCUMENTS, 'created, and deleted or expired; nothing for the purge');
	ws.close();
});

test('what was made alive again stays, and what lives keeps its service', async () => {
	const ends = documentPath('kept', 'ends');
	assertStatus(await rest.put(ends, { data: {} }), 201);
	// Made alive before its purge; where the machine was too slow for that, another one is.
	let tries = 0;
	const id = await inTime(TOMBSTONE_MS, async () => {
		const name = `again${++tries}`, path = documentPath('kept', name);
		assertStatus(await rest.put(path, { data: {} }), 201);
		assertStatus(await rest.delete(path), 200);
		const score = await redis.command('ZSCORE', keys.deleted('kept'), name);
		const { revision } = assertStatus(await rest.put(path, { data: { back: true } }), 201);
		if (revision !== 3) {
			await rest.delete(path); // and goes
			assert.fail(`revision ${revision}`);
		}
		await redis.command('ZADD', keys.deleted('kept'), score, name); // as if the purge had read before the write
		return name;
	}, { factor: 1 });
	const again = documentPath('kept', id);
	assertStatus(await rest.delete(ends), 200);
	await until(async () => (await redis.command('EXISTS', keys.data('kept', 'ends'))) === 0, undefined, 'one is gone');
	await until(async () => (await redis.command('ZCARD', keys.deleted('kept'))) === 0, undefined, 'the wrong entry is gone');
	assert.deepEqual(assertStatus(await rest.get(again), 200).data, { back: true });
	assert.equal(await redis.command('EXISTS', keys.history('kept', id)), 1);
	assert.equal(await redis.command('EXISTS', keys.history('kept', 'ends')), 0);
	assert.deepEqual(await redis.command('ZRANGE', keys.names('kept'), 0, -1), [id]);
	assert.notEqual(await redis.command('ZSCORE', keys.services, 'kept'), null);
});

test('who is present at a tombstone stays so through its purge, and leaves with an event', async () => {
	const path = documentPath('attended', 'x'), presence = { service: 'attended', documentId: 'x' };
	const [member, watcher] = [await hosts[0].connect(), await hosts[1].connect()];
	await watcher.subscribe({ topic: 'sync.attended.*', documentId: 'x' });
	assertStatus(await rest.put(path, { data: {} }), 201);
	assert.equal((await member.request({ type: 'presence.join', ...presence, mode: 'viewing' })).type, 'result');
	await watcher.event(event => event.payload.joined?.length === 1);
	assertStatus(await rest.delete(path), 200);
	await until(async () => (await redis.command('EXISTS', keys.data('attended', 'x'))) === 0, undefined, 'it is gone');
	assert.equal(assertStatus(await rest.get(`${path}/presence`), 200).count, 1);
	const other = await hosts[1].connect();
	assert.equal((await other.request({ type: 'presence.join', ...presence, mode: 'editing' })).type, 'result');
	assert.equal((await watcher.event(event => event.payload.joined?.length === 1)).payload.count, 2);
	member.close();
	assert.equal((await watcher.event(event => event.payload.left?.length === 1)).payload.count, 1);
	other.close();
	assert.equal((await watcher.event(event => event.payload.left?.length === 1)).payload.count, 0);
	assert.equal(await redis.command('EXISTS', 'syncdoc:presence:attended:x'), 0);
	watcher.close();
});

test('an id can begin anew after its purge, and subscribers are told that revisions begin anew', async () => {
	const path = documentPath('anew', 'x'), ws = await hosts[0].connect();
	await ws.subscribe({ topic: 'sync.anew.created' });
	assertStatus(await rest.put(path, { data: {} }), 201);
	assertStatus(await rest.put(path, { data: { n: 2 } }), 200);
	assertStatus(await rest.delete(path), 200);
	await until(async () => (await redis.command('EXISTS', keys.data('anew', 'x'))) === 0, undefined, 'it is gone');
	assert.equal(assertStatus(await rest.put(path, { data: { n: 1 } }), 201).revision, 1);
	const { reason } = await ws.next(message => message.type === 'resync' && message.documentId === 'x');
	assert.equal(reason, 'rollback');
	await ws.event(event => event.payload.data.n === 1);
	ws.close();
});
