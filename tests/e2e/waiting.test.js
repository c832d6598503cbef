// waiting.test.js: requests whose answers take their time: MHD asks for them a few times, then their connections are suspended. Either
// way each is answered once, and a client that goes leaves nothing behind.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { assertStatus, documentPath, exchange, hasWholeAnswer, parseAnswer, scrape, until, withPair } from './harness.js';

const settings = { 'redis.timeout': 15, worker_timeout: 60, 'limits.requests_per_address': 0 };
const path = documentPath('waiting', 'x');

// Requests that are being worked on beside the one that asks.
const activeOthers = async rest => (await scrape(rest)).value('syncdoc_requests_active') - 1;

// `count` more runs of MHD at least.
async function keepBusy(rest, count) {
	for (let i = 0; i < count; i++) assertStatus(await rest.get('/livez'), 200);
}

async function whileRedisStands(redis, work) {
	redis.process.kill('SIGSTOP');
	try {
		return await work();
	} finally {
		redis.process.kill('SIGCONT');
	}
}

const raw = (method, body = '') =>
	`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${body ? `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n` : ''}\r\n${body}`;

test('reads and writes are answered however often MHD has asked before', () =>
	withPair({ settings }, async ({ rest, redis }) => {
		assertStatus(await rest.put(path, { data: { n: 0 } }), 201);
		for (const runs of [0, 3, 6, 7, 8, 9, 30]) {
			const answers = await whileRedisStands(redis, async () => {
				const waiting = [rest.get(path), rest.put(path, { data: { n: runs } }), rest.patch(path, { data: { m: runs } }), rest.request('HEAD', path)];
				if (runs) await until(async () => (await activeOthers(rest)) === waiting.length, 10000, 'all have arrived');
				await keepBusy(rest, runs);
				return waiting;
			});
			for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200, `after ${runs} runs: ${answer.text}`);
			assert.deepEqual((await rest.get(path)).json.data, { n: runs, m: runs });
		}
		assert.equal(await activeOthers(rest), 0);
	}));

test('requests one after the other on a connection are answered in their order', () =>
	withPair({ settings }, async ({ daemon, rest, redis }) => {
		assertStatus(await rest.put(path, { data: { n: 0 } }), 201);
		for (const runs of [1, 20]) {
			const bodies = [1, 2, 3].map(n => raw('PUT', JSON.stringify({ data: { n } })));
			const isDone = bytes => bytes.toString('latin1').split('HTTP/1.1 200').length === 6 && bytes.toString('latin1').endsWith('}}');
			const answers = await whileRedisStands(redis, async () => {
				const exchanged = exchange(daemon.port, [raw('GET') + bodies.join('') + raw('GET')], { isDone });
				await until(async () => (await activeOthers(rest)) === 1, 10000, 'the first has arrived');
				await keepBusy(rest, runs);
				return [exchanged];
			});
			const { text } = await answers[0];
			const revisions = [...text.matchAll(/\{"revision":(\d+)/g)].map(([, revision]) => Number(revision));
			assert.equal(revisions.length, 5, text);
			assert.deepEqual(
				revisions.map(revision => revision - revisions[0]),
				[0, 1, 2, 3, 3],
			);
		}
	}));

test('a body that comes in pieces is read while others wait', () =>
	withPair({ settings }, async ({ daemon, rest, redis }) => {
		assertStatus(await rest.put(path, { data: {} }), 201);
		const text = raw('PUT', JSON.stringify({ data: { text: 'x'.repeat(60000) } }));
		const answers = await whileRedisStands(redis, async () => {
			const waiting = [rest.get(path)];
			const pieces = Array.from({ length: 8 }, (_, i) => text.slice((i * text.length) / 8, ((i + 1) * text.length) / 8));
			waiting.push(exchange(daemon.port, pieces, { isDone: hasWholeAnswer }));
			await until(async () => (await activeOthers(rest)) === 2, 10000, 'both are there');
			return waiting;
		});
		assertStatus(await answers[0], 200);
		assert.equal(parseAnswer((await answers[1]).text).status, 200);
	}));

for (const runs of [1, 20])
	test(`clients that are gone, after ${runs} more runs of MHD, leave nothing behind`, () =>
		withPair({ settings }, async ({ daemon, rest, redis }) => {
			const { revision } = assertStatus(await rest.put(path, { data: {} }), 201);
			await whileRedisStands(redis, async () => {
				const sockets = ['GET', 'PUT', 'HEAD', 'GET'].map(method => {
					const socket = net.connect(daemon.port, '127.0.0.1');
					socket.on('error', () => {});
					socket.write(raw(method, method === 'PUT' ? '{"data":{"late":true}}' : ''));
					return socket;
				});
				await until(async () => (await activeOthers(rest)) === sockets.length, 10000, 'all have arrived');
				await keepBusy(rest, runs);
				for (const socket of sockets) socket.resetAndDestroy();
				await keepBusy(rest, 3);
			});
			await until(async () => (await activeOthers(rest)) === 0, 10000, 'none is left');
			const now = assertStatus(await rest.get(path), 200);
			assert.deepEqual([now.revision, now.data], [revision + 1, { late: true }]);
		}));

test('a server that ends answers those that wait first', () =>
	withPair({ settings }, async ({ daemon, rest, redis }) => {
		assertStatus(await rest.put(path, { data: { n: 0 } }), 201);
		const answers = await whileRedisStands(redis, async () => {
			const waiting = [rest.get(path), rest.put(path, { data: { n: 1 } })];
			await until(async () => (await activeOthers(rest)) === 2, 10000, 'both have arrived');
			daemon.process.kill('SIGTERM');
			await until(() => daemon.stderr.includes('drain'), 10000, 'it drains');
			return waiting;
		});
		for (const answer of await Promise.all(answers)) {
			assert.equal(answer.status, 200, answer.text);
			assert.equal(answer.headers.connection, 'close');
		}
		assert.equal((await daemon.process.waitForExit()).code, 0);
	}));
