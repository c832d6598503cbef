// expiry.test.js: documents end by themselves, once, whatever number of hosts look after them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon, Pace, Redis, assertProblem, assertStatus, documentPath, inTime, keys, randomOf, storedEnvelope, until } from './harness.js';

// By the server's clock a tombstone is at most a second late (the contract) of those in which supervisors and Redis ran; how long its
// event then takes is the machine's affair.
const DOCUMENTS = 1000, LATE_AT_MOST_MS = 1000;
const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);
let redis, hosts;
before(async () => {
	process.stdout.write(`# seed ${seed}\n`);
	redis = await Redis.start();
	const settings = { 'ws.rate': 100000, 'ws.burst': 100000 };
	hosts = [await Daemon.start({ redis, settings: { ...settings, node: 'one' } }), await Daemon.start({ redis, settings: { ...settings, node: 'two' } })];
});
after(async () => {
	for (const host of hosts ?? [])
		await host.stop();
	await redis?.stop();
});

// A document that ends soon: {path → its envelope}. Where the machine took longer than that, it was refused as ended already.
const putEnding = (host, path, ms) =>
	inTime(ms, async patienceMs => assertStatus(await host.rest.put(path, { data: { a: 1 }, expiresAt: Date.now() + patienceMs }), 201));

const expiredOf = ws => ws.events.filter(event => event.topic.endsWith('.expired'));

test(`${DOCUMENTS} documents with random times expire once each on both hosts`, async t => {
	const random = randomOf(seed), subscribers = [], writers = [];
	for (const host of hosts) {
		const ws = await host.connect();
		await ws.subscribe({ topic: 'sync.mortal.*', returnMode: 'both' });
		subscribers.push(ws);
		writers.push(await host.connect());
	}
	const ends = new Map(), arrivals = [];
	subscribers.forEach((ws, host) => ws.socket.on('message', data => {
		const { topic, payload } = JSON.parse(data);
		if (topic === 'sync.mortal.expired' && payload)
			arrivals.push({ host, id: payload.documentId, at: Date.now() });
	}));
	const pace = await Pace.start({ daemons: hosts, redis });
	await inTime(3000, async ms => {
		const answers = writers.map(ws => ws.messages.length);
		for (let i = 0; i < DOCUMENTS; i++) { // all at once: the answers come meanwhile
			const id = `d${i}`, expiresAt = Date.now() + ms + random.below(3000);
			if (!ends.has(id)) writers[i % 2].send({ type: 'sync.create', service: 'mortal', documentId: id, data: { i }, expiresAt, id: `${id} ${expiresAt}` });
			else answers[i % 2]--;
		}
		for (const [at, ws] of writers.entries())
			await until(() => ws.messages.length >= answers[at] + DOCUMENTS / 2, undefined, () => `${ws.messages.length} messages of ${answers[at] + DOCUMENTS / 2}`);
		// What came too late to be created, which is refused, is tried once more.
		for (const { type, id } of writers.flatMap(ws => ws.messages))
			if (type === 'result') ends.set(id.split(' ')[0], Number(id.split(' ')[1]));
		assert.equal(ends.size, DOCUMENTS, 'all are created');
	});
	for (const ws of subscribers)
		await until(() => expiredOf(ws).length >= DOCUMENTS, undefined, () => `${expiredOf(ws).length} of ${DOCUMENTS} expired`);
	const tell = (what, values) => {
		const sorted = values.sort((a, b) => a - b);
		t.diagnostic(`${what} late by ms: median ${sorted[sorted.length >> 1]}, 99 % ${sorted[Math.floor(sorted.length * 0.99)]}, most ${sorted.at(-1)}`);
		return sorted;
	};
	tell('events', arrivals.map(({ id, at }) => at - ends.get(id)));
	const lateness = tell('tombstones', expiredOf(subscribers[0]).map(event => event.timestamp - ends.get(event.payload.documentId)));
	assert.ok(lateness[0] >= 0, 'none expired before its time');
	const ran = expiredOf(subscribers[0]).map(event => pace.ranMs(ends.get(event.payload.documentId), event.timestamp));
	pace.stop();
	assert.ok(Math.max(...ran) <= LATE_AT_MOST_MS, `${Math.max(...ran)} ms late`);
	await Promise.all([...ends.keys()].map(async id => { // so whatever would come twice has come
		const answer = await hosts[0].rest.get(documentPath('mortal', id));
		assert.equal(assertProblem(answer, 410, 'document_expired').currentRevision, 2);
	}));
	for (const ws of subscribers) {
		const ids = expiredOf(ws).map(event => event.payload.documentId);
		assert.deepEqual([...new Set(ids)].sort(), [...ends.keys()].sort());
		assert.equal(ids.length, DOCUMENTS, 'each once');
		for (const { payload, timestamp } of expiredOf(ws)) {
			assert.equal(payload.revision, 2);
			assert.equal(payload.deleted, true);
			assert.deepEqual(payload.data, { i: Number(payload.documentId.slice(1)) });
			assert.deepEqual(payload.diff, { added: {}, removed: [], changed: {} });
			assert.ok(timestamp >= ends.get(payload.documentId));
		}
		ws.close();
	}
	for (const ws of writers)
		ws.close();
	assert.equal(await redis.command('ZCARD', keys.expiry), 0);
	assert.equal(await redis.command('ZCARD', keys.deleted('mortal')), DOCUMENTS);
	const [[id, fields]] = await redis.command('XREVRANGE', keys.history('mortal', 'd0'), '+', '-', 'COUNT', '1');
	assert.equal(id, '2-0');
	assert.equal(fields[fields.indexOf('op') + 1], 'expire');
});

test('a tombstone keeps data and expiresAt, and can be made alive again', async () => {
	const path = documentPath('again', 'x'), ws = await hosts[1].connect();
	await ws.subscribe({ topic: 'sync.again.*' });
	const first = await putEnding(hosts[0], path, 300);
	const { payload, timestamp } = await ws.event(event => event.topic === 'sync.again.expired');
	assert.deepEqual([payload.revision, payload.data], [2, { a: 1 }]);
	assert.deepEqual(await storedEnvelope(redis, keys.data('again', 'x')), { revision: 2, updatedAt: timestamp, createdAt: first.createdAt, expiresAt: first.expiresAt, deleted: true, service: 'again', id: 'x', data: { a: 1 } });
	const second = assertStatus(await hosts[0].rest.put(path, { data: { a: 2 } }), 201);
	assert.equal(second.revision, 3);
	assert.equal(second.expiresAt, undefined);
	ws.close();
});

test('what in the schedule is not true any more is put right, and does not hold up what is', async () => {
	assertStatus(await hosts[0].rest.put(documentPath('stale', 'lives'), { data: {} }), 201);
	const later = Date.now() + 3600e3;
	assertStatus(await hosts[0].rest.put(documentPath('stale', 'later'), { data: {}, expiresAt: later }), 201);
	await redis.command('SET', keys.data('stale', 'foreign'), 'not a document');
	for (const id of ['lives', 'later', 'gone', 'foreign', ...Array.from({ length: 300 }, (_, i) => `gone${i}`)])
		await redis.command('ZADD', keys.expiry, '1', `stale:${id}`);
	// Gone by Redis' own TTL: whoever resumes from before its last write cannot be told what became of it.
	const sequence = Number(await redis.command('GET', 'syncdoc:sequence'));
	await redis.command('ZADD', keys.index('stale'), String(sequence), 'gone');
	const ws = await hosts[0].connect();
	await ws.subscribe({ topic: 'sync.*.expired' });
	await putEnding(hosts[0], documentPath('stale', 'due'), 300);
	await ws.event(event => event.payload.documentId === 'due');
	await until(async () => (await redis.command('ZCARD', keys.expiry)) === 1, undefined, 'a schedule with one entry');
	assert.equal(Number(await redis.command('ZSCORE', keys.expiry, 'stale:later')), later);
	// Of others there may be some: what expired just before on the other host.
	assert.deepEqual(expiredOf(ws).filter(({ payload }) => payload.service === 'stale').map(({ payload }) => payload.documentId), ['due']);
	assert.equal(Number(await redis.command('GET', 'syncdoc:purged')), sequence);
	assert.equal(await redis.command('ZSCORE', keys.index('stale'), 'gone'), null);
	assertStatus(await hosts[0].rest.get(documentPath('stale', 'lives')), 200);
	ws.close();
});

test('a reload does not end it', async () => {
	const [host] = hosts, ws = await hosts[1].connect();
	await ws.subscribe({ topic: 'sync.reload.expired' });
	const before = new Set(host.workers().map(worker => worker.pid));
	host.process.kill('SIGHUP');
	await until(() => host.workers().length && host.workers().every(worker => !before.has(worker.pid)), undefined, 'new workers');
	await host.waitUntilReady();
	// The other host does nothing now: what expires is this one's doing, and so is a worker respawned after the reload.
	process.kill(hosts[1].pid, 'SIGSTOP');
	try {
		const path = documentPath('reload', 'x');
		await putEnding(host, path, 300);
		await until(async () => (await redis.command('ZCARD', keys.deleted('reload'))) === 1, undefined, 'the tombstone');
		for (const { pid } of host.workers())
			process.kill(pid, 'SIGKILL');
		await until(async () => (await host.readiness()).status === 200, undefined, 'a worker again');
		assertProblem(await host.client().get(path), 410, 'document_expired');
	} finally {
		process.kill(hosts[1].pid, 'SIGCONT');
	}
	await ws.event(event => event.payload.documentId === 'x');
	ws.close();
});
