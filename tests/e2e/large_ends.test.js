// large_ends.test.js: large writes, which take several turns of the loop, ended in the middle: by SIGTERM, by Redis, by who asked. Each is answered
// once, and the answer is true.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { assertStatus, documentPath, until, withDaemon, withPair } from './harness.js';

const SERVICE = 'ends',
	DOCUMENTS = 6,
	WRITES = 60;
const settings = { 'documents.max_size': '1MiB', 'ring.size': '32MiB', 'redis.timeout': 2 };
const range = (count, value) => Array.from({ length: count }, (_, i) => value(i));
const pathOf = i => documentPath(SERVICE, `d${i % DOCUMENTS}`);

async function createAll(rest) {
	for (let i = 0; i < DOCUMENTS; i++) assertStatus(await rest.put(pathOf(i), { data: { text: 'x'.repeat(700000) } }), 201);
}

// Resolve to their answers; {} where the connection ended without one.
function startWrites(daemon) {
	const rest = daemon.client({ maxSockets: WRITES });
	return range(WRITES, i => rest.patch(pathOf(i), { data: { [`w${i}`]: i } }).catch(() => ({})));
}

// What was accepted is there, what was refused is not, and each is one revision.
async function assertTrue(rest, answers) {
	for (let document = 0; document < DOCUMENTS; document++) {
		const { revision, data } = assertStatus(await rest.get(pathOf(document)), 200);
		const { text, ...written } = data;
		assert.equal(text.length, 700000);
		assert.equal(revision, 1 + Object.keys(written).length);
		for (let i = document; i < WRITES; i += DOCUMENTS) {
			const { status, json } = answers[i];
			if (status === 200) assert.equal(written[`w${i}`], i, `write ${i} was accepted`);
			else if (status && json.code !== 'outcome_unknown') assert.ok(!(`w${i}` in written), `write ${i}: ${json.code}`);
		}
	}
}

for (const drain_timeout of [20, 0])
	test(`SIGTERM in the middle, drain_timeout ${drain_timeout}`, () =>
		withPair({ settings: { ...settings, 'redis.timeout': 10, drain_timeout } }, async ({ daemon, redis }) => {
			await createAll(daemon.rest);
			const answers = startWrites(daemon);
			await answers[0];
			daemon.process.kill('SIGTERM');
			const done = await Promise.all(answers);
			assert.deepEqual(await daemon.process.waitForExit(), { code: 0, signal: null });
			if (drain_timeout) assert.deepEqual([...new Set(done.map(({ status }) => status))], [200]);
			await withDaemon({ redis, settings }, ({ rest }) => assertTrue(rest, done));
		}));

test('Redis hangs: all are answered, then everything goes on', () =>
	withPair({ settings }, async ({ daemon, rest, redis }) => {
		await createAll(rest);
		const answers = startWrites(daemon);
		await answers[0];
		redis.process.kill('SIGSTOP');
		const done = await Promise.all(answers);
		redis.process.kill('SIGCONT');
		for (const { status, json } of done)
			assert.ok(status === 200 || ['redis_unavailable', 'outcome_unknown'].includes(json.code), `${status} ${json?.code}`);
		assert.ok(done.some(({ status }) => status === 503));
		await daemon.waitUntilReady();
		await assertTrue(rest, done);
		assertStatus(await rest.patch(pathOf(0), { data: { after: true } }), 200);
	}));

test('who asked goes away: what was taken up is done, and nobody waits for it', () =>
	withPair({ settings: { ...settings, 'redis.timeout': 10 } }, async ({ daemon, rest }) => {
		await createAll(rest);
		await Promise.all(
			range(
				WRITES,
				i =>
					new Promise(resolve => {
						const options = { port: daemon.port, method: 'PATCH', path: pathOf(i), headers: { 'Content-Type': 'application/json' } };
						const request = http.request(options);
						request.on('error', () => resolve());
						request.end(JSON.stringify({ data: { [`w${i}`]: i } }), () => {
							request.destroy();
							resolve();
						});
					}),
			),
		);
		const socket = await daemon.connect();
		for (let i = 0; i < DOCUMENTS; i++) socket.send({ type: 'sync.merge', service: SERVICE, documentId: `d${i}`, data: { socket: i } });
		socket.socket.close(1000);
		for (let i = 0; i < DOCUMENTS; i++) assertStatus(await rest.patch(pathOf(i), { data: { last: i } }), 200);
		for (let i = 0; i < DOCUMENTS; i++) {
			const { revision, data } = assertStatus(await rest.get(pathOf(i)), 200);
			assert.equal(revision, Object.keys(data).length);
		}
		await until(async () => (await rest.get('/readyz')).status === 200);
	}));
