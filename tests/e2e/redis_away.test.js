// redis_away.test.js: Redis restarted, stopped, full, behind a password: every refusal is true, nothing acknowledged is lost.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
	Daemon,
	Pace,
	Redis,
	assertProblem,
	assertStatus,
	collectionPath,
	documentPath,
	freePort,
	keys,
	makeDirectory,
	until,
	withPair as startedPair,
} from './harness.js';

const TIMEOUT_S = 2,
	SLACK_MS = 5000;
const isEvent = message => message.type === 'event';

// In time, of the time in which the machine let us run.
function assertInTime(since, times = 1) {
	const ran = pace.ranMs(since);
	assert.ok(ran < times * (TIMEOUT_S * 1000 + SLACK_MS), `${Date.now() - since} ms, of which all ran ${ran}`);
}

function assertUnavailable(answer, since) {
	assertProblem(answer, 503, 'redis_unavailable');
	assert.match(answer.headers['retry-after'] ?? '', /^\d+$/);
	assertInTime(since);
}

let pace; // of the test's daemon
const withPair = (options, run) =>
	startedPair({ ...options, settings: { 'redis.timeout': TIMEOUT_S, ...options.settings } }, async pair => {
		pace = await Pace.start({ daemons: [pair.daemon] });
		try {
			await run(pair);
		} finally {
			pace.stop();
		}
	});

test('Redis restarted: 503 with Retry-After meanwhile, then everything goes on', () =>
	withPair({ settings: { workers: 2 }, redisOptions: { persistent: true } }, async ({ daemon, rest, redis }) => {
		const place = documentPath('away', 'x');
		const ws = await daemon.connect();
		await ws.subscribe({ topic: 'sync.away.*' });
		assertStatus(await rest.put(place, { data: { n: 1 } }), 201);
		await ws.event();
		await redis.stop();

		await until(async () => (await daemon.readiness()).status === 503);
		const since = Date.now();
		const answers = [
			rest.put(place, { data: { n: 0 } }),
			rest.post(collectionPath('away'), { data: {} }),
			rest.patch(place, { data: { n: 0 } }),
			rest.delete(place),
			rest.get(place),
			rest.get(collectionPath('away')),
			rest.get('/v1/services'),
			rest.post(`${collectionPath('away')}:batchGet`, { ids: ['x'] }),
		].map(answer => answer.then(text => assertUnavailable(text, since)));
		await Promise.all(answers);
		assertStatus(await rest.get('/livez'), 200);
		const asked = Date.now();
		for (const message of [
			{ type: 'sync.merge', service: 'away', documentId: 'x', data: {} },
			{ type: 'subscribe', topic: 'sync.other.*' },
		]) {
			const error = await ws.request(message);
			assert.deepEqual([error.type, error.status, error.code], ['error', 503, 'redis_unavailable'], error.text);
		}
		assertInTime(asked, 2);

		await redis.start();
		await daemon.waitUntilReady();
		// What was missed is not known, and that is said.
		const resync = await ws.next(message => message.type === 'resync');
		assert.equal(resync.reason, 'gap');
		assert.deepEqual(assertStatus(await rest.get(place), 200).data, { n: 1 }, 'what was refused was not done');
		const { revision } = assertStatus(await rest.put(place, { data: { n: 2 } }), 200);
		assert.equal(revision, 2);
		assert.equal((await ws.event()).payload.revision, 2);
		const late = await daemon.connect();
		await late.subscribe({ topic: 'sync.away.*' });
		assertStatus(await rest.put(place, { data: { n: 3 } }), 200);
		await late.event(event => event.payload.revision === 3); // perhaps behind that of 2, on a worker that is slower
	}));

test('Redis loses a connection: a client kill costs nothing acknowledged', () =>
	withPair({}, async ({ daemon, rest, redis }) => {
		const place = documentPath('killed', 'x');
		assertStatus(await rest.put(place, { data: {} }), 201);
		let writing = true,
			unknown = 0;
		const acknowledged = new Set(),
			refused = new Set();
		const writers = Array.from({ length: 4 }, async (_, writer) => {
			for (let i = 0; writing; i++) {
				const name = `w${writer}n${i}`,
					answer = await rest.patch(place, { data: { [name]: i } });
				if (answer.status === 200) acknowledged.add(name);
				else if (assertProblem(answer, 503).code === 'outcome_unknown') unknown++;
				else refused.add(name);
			}
		});
		for (let i = 0; i < 5; i++) {
			const wanted = acknowledged.size + 30;
			await until(() => acknowledged.size >= wanted);
			await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
		}
		await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
		const wanted = acknowledged.size + 30;
		await until(() => acknowledged.size >= wanted);
		writing = false;
		await Promise.all(writers);
		await daemon.waitUntilReady();
		const { data, revision } = assertStatus(await rest.get(place), 200);
		for (const name of acknowledged) assert.ok(name in data, `${name} was acknowledged`);
		for (const name of refused) assert.ok(!(name in data), `${name} was refused for sure`);
		assert.equal(revision, Object.keys(data).length + 1, 'each was done once');
		assert.ok(Object.keys(data).length <= acknowledged.size + unknown);
	}));

test('Redis stopped in its tracks: writes answer in time, and what they answer is true', () =>
	withPair({ settings: { workers: 2, 'history.max': 10000 } }, async ({ daemon, rest, redis }) => {
		const acknowledged = new Set(),
			refused = new Set(),
			unknown = new Set(),
			documents = ['a', 'b', 'c'];
		for (const id of documents) assertStatus(await rest.put(documentPath('stopped', id), { data: {} }), 201);
		let writing = true;
		const writers = Array.from({ length: 8 }, async (_, writer) => {
			for (let i = 0; writing; i++) {
				const id = documents[i % 3],
					name = `w${writer}n${i}`,
					since = Date.now();
				const answer = await rest.patch(documentPath('stopped', id), { data: { [name]: i } });
				assertInTime(since);
				if (answer.status === 200) acknowledged.add(`${id} ${name}`);
				else if (assertProblem(answer, 503).code === 'outcome_unknown') unknown.add(`${id} ${name}`);
				else refused.add(`${id} ${name}`);
			}
		});
		try {
			for (let i = 0; i < 3; i++) {
				const wanted = acknowledged.size + 60,
					refusals = refused.size + unknown.size;
				await until(() => acknowledged.size >= wanted);
				redis.process.kill('SIGSTOP');
				await until(() => refused.size + unknown.size >= refusals + 12, undefined, 'writes are refused');
				await until(async () => (await daemon.readiness()).status === 503, undefined, '/readyz says so');
				redis.process.kill('SIGCONT');
				await daemon.waitUntilReady();
			}
		} finally {
			redis.process.kill('SIGCONT');
			writing = false;
		}
		await Promise.all(writers);
		const there = new Map();
		for (const id of documents) {
			const { data, revision } = assertStatus(await rest.get(documentPath('stopped', id)), 200);
			assert.equal(revision, Object.keys(data).length + 1, 'each was done once');
			assert.equal(await redis.command('XLEN', keys.history('stopped', id)), revision);
			for (const name of Object.keys(data)) there.set(`${id} ${name}`, true);
		}
		for (const name of acknowledged) assert.ok(there.has(name), `${name} was acknowledged`);
		for (const name of refused)
			assert.ok(!there.has(name), `${name} was refused as surely not applied, and is there`);
		for (const name of there.keys()) assert.ok(acknowledged.has(name) || unknown.has(name), name);
	}));

test('Redis out of memory or without replicas: writes are 503, reads go on', () =>
	withPair({}, async ({ rest, redis }) => {
		const place = documentPath('full', 'x');
		assertStatus(await rest.put(place, { data: { n: 1 } }), 201);
		for (const [name, bad, good] of [
			['maxmemory', 1, 0],
			['min-replicas-to-write', 1, 0],
		]) {
			await redis.command('CONFIG', 'SET', name, bad);
			const since = Date.now();
			assertUnavailable(await rest.put(place, { data: { n: 2 } }), since);
			const sinceCreate = Date.now();
			assertUnavailable(await rest.put(documentPath('full', 'y'), { data: {} }), sinceCreate);
			assertUnavailable(await rest.post(collectionPath('full'), { data: {} }), sinceCreate);
			assert.deepEqual(assertStatus(await rest.get(place), 200).data, { n: 1 });
			await redis.command('CONFIG', 'SET', name, good);
		}
		assert.equal(assertStatus(await rest.put(place, { data: { n: 2 } }), 200).revision, 2);
	}));

test('Redis flushed: scripts are loaded again, and the documents begin anew', () =>
	withPair({}, async ({ rest, redis }) => {
		const place = documentPath('flushed', 'x');
		assertStatus(await rest.put(place, { data: { n: 1 } }), 201);
		await redis.command('SCRIPT', 'FLUSH');
		assert.equal(assertStatus(await rest.put(place, { data: { n: 2 } }), 200).revision, 2);
		await redis.command('FLUSHALL');
		assertProblem(await rest.get(place), 404);
		assert.equal(assertStatus(await rest.put(place, { data: { n: 3 } }), 201).revision, 1);
	}));

test('Redis over TCP with a password, in the URL or in a file; a wrong one is said', async () => {
	const redis = await Redis.start({ port: await freePort(), password: 'se:cret@/1' });
	const passwordFile = path.join(makeDirectory(), 'password');
	fs.writeFileSync(passwordFile, 'se:cret@/1\n', { mode: 0o600 });
	const bare = `redis://127.0.0.1:${redis.port}`;
	try {
		for (const settings of [
			{ 'redis.url': `redis://:${encodeURIComponent('se:cret@/1')}@127.0.0.1:${redis.port}` },
			{ 'redis.url': bare, 'redis.password_file': passwordFile },
		]) {
			const daemon = await Daemon.start({ settings });
			const ws = await daemon.connect();
			await ws.subscribe({ topic: 'sync.tcp.*' });
			assert.ok((await daemon.rest.put(documentPath('tcp', 'x'), { data: {} })).status < 300);
			await ws.next(isEvent);
			await daemon.stop();
			assert.ok(
				!daemon.stderr.includes('se:cret') && !daemon.stderr.includes(encodeURIComponent('se:cret')),
				'no secret in the log',
			);
		}
		const wrong = await Daemon.start({
			settings: { 'redis.url': `redis://:wrong@127.0.0.1:${redis.port}`, 'redis.timeout': TIMEOUT_S },
			wait: false,
		});
		await until(async () => (await wrong.readiness()).status === 503);
		await until(() => /WRONGPASS|password/i.test(wrong.stderr));
		pace = await Pace.start({ daemons: [wrong] });
		const since = Date.now();
		assertUnavailable(await wrong.rest.get(documentPath('tcp', 'x')), since);
		pace.stop();
		await wrong.stop();
		assert.ok(!/[:@]wrong@/.test(wrong.stderr));
	} finally {
		await redis.stop();
	}
});
