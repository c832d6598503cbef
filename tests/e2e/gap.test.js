// gap.test.js: the supervisor's subscription is lost in many ways while clients write; every acknowledged revision reaches every
// subscriber once and in order, or a resync covers it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon, Redis, applyDiff, assertStatus, documentPath, keys, randomOf, turn, until } from './harness.js';

const DOCUMENTS = 6;
const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);
let redis, daemon;

// A Redis whose data survives a restart, at its socket again. Other tests' daemons go on against it.
async function restart() {
	redis.client.close();
	await redis.process.kill9();
	await redis.start();
}

before(async () => {
	process.stdout.write(`# seed ${seed}\n`);
	redis = await Redis.start({ persistent: true });
	daemon = await Daemon.start({ redis, settings: { workers: 2, 'redis.timeout': 2, 'ws.rate': 100000, 'ws.burst': 100000, 'history.max': 1000 } });
});
after(async () => {
	await daemon?.stop();
	await redis?.stop();
});

const killSubscription = () => redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
const logged = text => daemon.stderr.split(text).length - 1;
const caughtUp = () => logged('relay: caught up');
const missed = () => [...daemon.stderr.matchAll(/, (\d+) events were missed/g)].reduce((sum, [, count]) => sum + Number(count), 0);

// Writes until told to stop; what was not acknowledged may have happened or not.
function startWriters(service, ids) {
	const writers = { writing: true, acknowledged: new Map(), count: 0 };
	writers.ended = Promise.all(ids.map(async (id, i) => {
		const random = randomOf(seed + i), rest = daemon.client();
		for (let n = 0; writers.writing; n++) {
			const data = { n, [`m${random.below(5)}`]: random.below(3) ? random.below(100) : null };
			let answer;
			try {
				answer = await rest.patch(documentPath(service, id), { data });
			} catch {
				continue;
			}
			if (answer.status === 200) {
				writers.acknowledged.set(`${id} ${answer.json.revision}`, answer.json);
				writers.count++;
			} else {
				assert.equal(answer.status, 503, answer.text);
			}
			await turn(random.below(8));
		}
		rest.close();
	}));
	writers.stop = async () => {
		writers.writing = false;
		await writers.ended;
	};
	return writers;
}

async function subscribeAll(service, ids) {
	const subscribers = [];
	for (const id of ids) {
		for (const options of [{ topic: `sync.${service}.*`, documentId: id, returnMode: 'both' }, { topic: `sync.${service}.updated`, documentId: id, returnMode: 'full' }]) {
			const ws = await daemon.connect();
			await ws.subscribe(options);
			subscribers.push({ ws, id });
		}
	}
	return subscribers;
}

// Goes through one subscriber's messages: revisions once and in order; only a resync of the document, or of all, excuses a hole.
// Gives back the revisions it got, and how many resyncs it needed.
function check({ ws, id }, acknowledged, resyncsAllowed) {
	const got = [], holes = [];
	let last = 1, held, excused = false;
	for (const message of ws.messages) {
		if (message.type === 'resync' && message.topic !== 'sync.*.presence') {
			assert.ok(resyncsAllowed, `no resync is needed: ${message.text}`);
			assert.ok(message.documentId === undefined || message.documentId === id, message.text);
			excused = true;
		}
		if (message.type !== 'event')
			continue;
		const { payload, timestamp } = message;
		// Written before the subscribe, and relayed behind it.
		if (payload.revision === 1 && !got.length && !holes.length)
			continue;
		if (payload.revision !== last + 1) {
			assert.ok(excused, `${id}: revision ${payload.revision} after ${last} without a resync`);
			assert.ok(payload.revision > last, 'never back');
			holes.push([last, payload.revision]);
			held = undefined;
		}
		excused = false;
		last = payload.revision;
		got.push(last);
		const envelope = acknowledged.get(`${id} ${last}`);
		if (envelope) {
			assert.equal(timestamp, envelope.updatedAt, `${id} ${last}`);
			assert.deepEqual(payload.data, envelope.data);
		}
		if (payload.diff) {
			if (held)
				assert.deepEqual(applyDiff(held, payload.diff), payload.data, `${id} ${last}: ${JSON.stringify(payload.diff)}`);
			held = payload.data;
		}
	}
	return { got, holes };
}

// Runs `disturb` while writers write, then looks at what each subscriber has.
async function runDisturbed(service, disturb, { resyncsAllowed = false } = {}) {
	const ids = Array.from({ length: DOCUMENTS }, (_, i) => `d${i}`);
	await daemon.waitUntilReady();
	for (const id of ids)
		assertStatus(await daemon.rest.put(documentPath(service, id), { data: { start: id } }), 201);
	const subscribers = await subscribeAll(service, ids), before = daemon.stderr.length;
	const writers = startWriters(service, ids);
	await until(() => writers.count > 20);
	await disturb(writers);
	const after = writers.count;
	await until(() => writers.count > after + 20, undefined, 'writes go on');
	await writers.stop();
	await daemon.waitUntilReady();
	const newest = new Map();
	for (const id of ids)
		newest.set(id, assertStatus(await daemon.rest.get(documentPath(service, id)), 200).revision);
	for (const subscriber of subscribers) {
		const { ws, id } = subscriber;
		await until(() => ws.events.at(-1)?.payload.revision >= newest.get(id), undefined, () => `revision ${newest.get(id)} of ${id}; has ${ws.events.at(-1)?.payload.revision}; ${daemon.stderr.slice(before).slice(-1500)}`);
		const { got, holes } = check(subscriber, writers.acknowledged, resyncsAllowed);
		for (const key of writers.acknowledged.keys()) {
			const [of, revision] = [key.split(' ')[0], Number(key.split(' ')[1])];
			if (of === id)
				assert.ok(got.includes(revision) || holes.some(([from, to]) => revision > from && revision < to), `${id} ${revision} did not arrive`);
		}
		ws.close();
	}
	process.stdout.write(`# ${service}: ${writers.acknowledged.size} writes acknowledged, ${caughtUp()} gaps caught up so far\n`);
}

test('the subscription is killed again and again: every revision arrives, without a resync', () => runDisturbed('killed', async () => {
	const before = missed();
	for (let i = 0; i < 6 || (missed() === before && i < 200); i++) {
		const gaps = caughtUp();
		await killSubscription();
		await until(() => caughtUp() > gaps, undefined, 'the gap is caught up');
	}
	assert.ok(missed() > before, 'something was missed and caught up');
}));

test('the subscription is killed while it catches up', () => runDisturbed('twice', async () => {
	for (let i = 0; i < 30; i++) {
		await killSubscription();
		await turn(i % 3 * 20);
	}
	const gaps = caughtUp();
	await killSubscription();
	await until(() => caughtUp() > gaps);
}));

test('Redis hangs for 3 s', () => runDisturbed('hangs', async () => {
	redis.process.kill('SIGSTOP');
	await turn(3000);
	redis.process.kill('SIGCONT');
}));

test('Redis is restarted', () => runDisturbed('restarted', async () => {
	const gaps = caughtUp();
	await restart();
	await until(() => caughtUp() > gaps, undefined, 'the gap is caught up');
}));

test('nobody can subscribe while a gap is open, and /readyz says so', async () => {
	const gaps = caughtUp();
	redis.client.close();
	await redis.process.kill9();
	await until(async () => (await daemon.readiness()).status === 503, undefined, 'not ready');
	await redis.start();
	await daemon.waitUntilReady();
	await until(() => caughtUp() > gaps, undefined, 'the gap is caught up');
});

test('a client that gets presence is told to list again, others are not', async () => {
	const [one, other] = [await daemon.connect(), await daemon.connect()];
	await one.subscribe({ topic: 'sync.p.*' });
	await other.subscribe({ topic: 'sync.p.updated' });
	await killSubscription();
	const { reason } = await one.next(message => message.type === 'resync' && message.topic === 'sync.*.presence');
	assert.equal(reason, 'gap');
	await daemon.waitUntilReady();
	assertStatus(await daemon.rest.put(documentPath('p', 'x'), { data: {} }), 201);
	assertStatus(await daemon.rest.put(documentPath('p', 'x'), { data: { a: 1 } }), 200);
	await other.event();
	assert.ok(!other.messages.some(message => message.type === 'resync'));
	one.close();
	other.close();
});

test('what the history does not give back becomes a resync of that document', async () => {
	const [trimmed, kept] = ['trimmed', 'kept'].map(id => documentPath('lost', id));
	for (const path of [trimmed, kept])
		assertStatus(await daemon.rest.put(path, { data: { n: 1 } }), 201);
	const ws = await daemon.connect();
	await ws.subscribe({ topic: 'sync.lost.deleted' });
	await ws.subscribe({ topic: 'sync.lost.updated', documentId: 'kept' });
	const gaps = caughtUp(), sequence = Number(await redis.command('GET', keys.sequence));
	// Written as another host's worker would, in the same turn as the loss: missed for sure.
	await redis.command('MULTI');
	await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
	await redis.command('XTRIM', keys.history('lost', 'trimmed'), 'MAXLEN', '0');
	for (const [i, id] of ['trimmed', 'kept'].entries()) {
		const written = String(sequence + 1 + i);
		const envelope = JSON.stringify({ revision: 2, updatedAt: 4e12, createdAt: 1, service: 'lost', id, data: { n: 2 } });
		await redis.command('SET', keys.data('lost', id), envelope);
		await redis.command('INCR', keys.sequence);
		if (id === 'kept')
			await redis.command('XADD', keys.history('lost', id), '2-0', 'op', 'merge', 'at', '4000000000000', 'by', '', 'seq', written, 'req', 'r', 'key', '', 'sum', '1',
				'diff', '{"added":{},"removed":{},"changed":{"n":{"from":1,"to":2}}}');
		await redis.command('ZADD', keys.index('lost'), written, id);
	}
	await redis.command('ZADD', keys.services, String(sequence + 2), 'lost');
	await redis.command('EXEC');
	await until(() => caughtUp() > gaps);
	const resync = await ws.next(message => message.type === 'resync' && message.documentId);
	assert.deepEqual([resync.service, resync.documentId, resync.reason], ['lost', 'trimmed', 'gap']);
	const event = await ws.event();
	assert.deepEqual([event.payload.documentId, event.payload.revision, event.payload.data], ['kept', 2, { n: 2 }]);
	assert.equal(ws.messages.filter(message => message.type === 'resync' && message.topic !== 'sync.*.presence').length, 1);
	ws.close();
});

test('a Redis that comes back without its last writes: resync {reason:"rollback"}, and positions never go back', async () => {
	const path = documentPath('rolled', 'x'), ws = await daemon.connect();
	assertStatus(await daemon.rest.put(path, { data: { n: 1 } }), 201);
	const { position } = await ws.subscribe({ topic: 'sync.rolled.updated' });
	for (let n = 2; n <= 5; n++)
		assertStatus(await daemon.rest.put(path, { data: { n } }), 200);
	await ws.event(event => event.payload.revision === 5);
	const sequence = Number(await redis.command('GET', keys.sequence));
	await until(async () => (await ws.subscribe({ topic: 'sync.rolled.updated' })).position.endsWith(`-${sequence}`), undefined, 'a mark with the last write');
	const gaps = caughtUp();
	// What a replica that was promoted too early would hold, at one moment with the loss of the subscription.
	const three = JSON.stringify({ revision: 3, updatedAt: 5, createdAt: 5, service: 'rolled', id: 'x', data: { n: 3 } });
	await redis.command('MULTI');
	await redis.command('SET', keys.sequence, String(sequence - 1));
	await redis.command('SET', keys.data('rolled', 'x'), three);
	await redis.command('DEL', keys.history('rolled', 'x'));
	await redis.command('EXEC');
	const resync = await ws.next(message => message.type === 'resync' && message.documentId === 'x');
	assert.equal(resync.reason, 'rollback');
	await until(() => caughtUp() > gaps);
	await daemon.waitUntilReady();
	const revision = assertStatus(await daemon.rest.put(path, { data: { n: 4 } }), 200).revision;
	assert.equal(revision, 4);
	await ws.event(event => event.payload.revision === 4 && event.payload.data.n === 4 && event.timestamp > 5);
	const later = await ws.subscribe({ topic: 'sync.rolled.created' });
	assert.ok(Number(later.position.split('-')[1]) > Number(position.split('-')[1]));
	assert.ok(Number(await redis.command('GET', keys.sequence)) > sequence + 900000);
	ws.close();
});

test('an empty Redis comes back: who had something of it is told', async () => {
	const ws = await daemon.connect();
	await ws.subscribe({ topic: 'sync.empty.updated' });
	assertStatus(await daemon.rest.put(documentPath('empty', 'x'), { data: {} }), 201);
	const sequence = Number(await redis.command('GET', keys.sequence));
	await until(async () => (await ws.subscribe({ topic: 'sync.empty.updated' })).position.endsWith(`-${sequence}`), undefined, 'a mark with the last write');
	await redis.command('FLUSHALL');
	const { reason } = await ws.next(message => message.type === 'resync' && (message.documentId === 'x' || message.topic === 'sync.*.*'));
	assert.equal(reason, 'rollback');
	await daemon.waitUntilReady();
	assertStatus(await daemon.rest.put(documentPath('empty', 'x'), { data: {} }), 201);
	assertStatus(await daemon.rest.put(documentPath('empty', 'x'), { data: { a: 1 } }), 200);
	assert.equal((await ws.event()).payload.revision, 2);
	ws.close();
});

test('an empty Redis comes back to two hosts: both say so, though the first to notice raises the sequence', async () => {
	const other = await Daemon.start({ redis, settings: { workers: 1 } }), sockets = [];
	try {
		assertStatus(await daemon.rest.put(documentPath('both', 'x'), { data: {} }), 201);
		const sequence = Number(await redis.command('GET', keys.sequence));
		for (const host of [daemon, other]) {
			const ws = await host.connect();
			sockets.push(ws);
			await until(async () => (await ws.subscribe({ topic: 'sync.both.updated' })).position.endsWith(`-${sequence}`), undefined, 'a mark with the last write');
		}
		await redis.command('FLUSHALL');
		for (const ws of sockets) {
			const { reason } = await ws.next(message => message.type === 'resync' && (message.documentId === 'x' || message.topic === 'sync.both.updated' || message.topic === 'sync.*.*'));
			assert.equal(reason, 'rollback');
		}
		for (const host of [daemon, other])
			await host.waitUntilReady();
		assertStatus(await daemon.rest.put(documentPath('both', 'x'), { data: {} }), 201);
		assertStatus(await other.rest.put(documentPath('both', 'x'), { data: { a: 1 } }), 200);
		for (const ws of sockets) {
			assert.equal((await ws.event()).payload.revision, 2);
			assert.equal(ws.messages.filter(message => message.reason === 'rollback').length, 1, 'said once');
			ws.close();
		}
	} finally {
		await other.stop();
	}
});
