// presence_crash.test.js: whoever dies, worker, host or Redis, nobody stays behind as a ghost, and nobody who is there gets lost.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { after, before, describe, test } from 'node:test';
import { Daemon, Pace, Redis, startPair, until } from './harness.js';
import { listOver, presenceEvents, viewOf } from './lib/presence.js';

const SERVICE = 'room', settings = { workers: 2, 'ws.rate': 100000, 'ws.burst': 100000 };
const report = text => process.stdout.write(`# ${text}\n`);

async function connectMany(daemon, count) {
	const clients = [];
	for (let i = 0; i < count; i += 25)
		clients.push(...await Promise.all(Array.from({ length: Math.min(25, count - i) }, () => daemon.connect())));
	return clients;
}

async function join(client, id, rest = {}) {
	const answer = await client.request({ type: 'presence.join', service: SERVICE, documentId: id, ...rest });
	assert.equal(answer.type, 'result', answer.text);
}

async function watch(daemon, id) {
	const client = await daemon.connect();
	await client.subscribe({ topic: `sync.${SERVICE}.presence`, documentId: id });
	return client;
}

const idsOf = clients => clients.map(client => client.welcome.connectionId).sort();
const leftOf = (watcher, id) => presenceEvents(watcher, id).flatMap(event => event.payload.left.map(member => member.connectionId)).sort();
const runsOf = async redis => (await redis.command('SMEMBERS', 'syncdoc:runs')).sort();
const runOf = async (redis, id, client) => JSON.parse(await redis.command('HGET', `syncdoc:presence:${SERVICE}:${id}`, client.welcome.connectionId)).run;

describe('one host', () => {
	let pair;
	before(async () => {
		pair = await startPair({ settings });
	});
	after(() => pair?.stop());

	test('worker kill -9 with 500 joined: others see left for exactly its members', async () => {
		const { daemon, redis } = pair, id = 'crowd', clients = await connectMany(daemon, 500), watchers = [];
		for (let i = 0; i < 12; i++)
			watchers.push(await watch(daemon, id));
		await Promise.all(clients.map(client => join(client, id)));
		await until(() => watchers.every(watcher => viewOf(watcher.events, id).members.size === 500));
		const pace = await Pace.start({ daemons: [daemon], redis }), victim = daemon.workers()[0], start = Date.now();
		process.kill(victim.pid, 'SIGKILL');
		await until(() => clients.some(client => client.end));
		// The kernel closes all sockets of a process at once; a moment may lie between our seeing them.
		const surviving = await until(() => watchers.find(watcher => !watcher.end && leftOf(watcher, id).length > 0));
		let dead;
		await until(() => {
			dead = clients.filter(client => client.end);
			return isDeepStrictEqual(leftOf(surviving, id), idsOf(dead));
		}, undefined, () => `left: ${leftOf(surviving, id).length}, ended: ${dead.length}`);
		const took = pace.ranMs(start);
		pace.stop();
		report(`kill -9: ${dead.length} of 500 left after ${Date.now() - start} ms, of which all ran ${took}`);
		assert.ok(dead.length > 0 && dead.length < 500);
		const view = viewOf(surviving.events, id);
		assert.deepEqual([...view.members.keys()].sort(), idsOf(clients.filter(client => !client.end)));
		assert.equal(view.count, 500 - dead.length);
		const list = await listOver(surviving, SERVICE, id);
		assert.equal(list.members.length, view.count);
		assert.equal(list.count, view.count);
		assert.ok(took < 1000 + 2000, `${took} ms`); // contract: 1 s; sanitizers on a busy machine
		await until(async () => (await runsOf(redis)).length === 2 && (await redis.command('SCARD', 'syncdoc:runs-ended')) === 0);
		for (const client of [...clients, ...watchers])
			client.close();
		await until(async () => (await redis.command('EXISTS', `syncdoc:presence:${SERVICE}:${id}`)) === 0);
		assert.deepEqual(await redis.command('KEYS', 'syncdoc:node-presence:*'), []);
	});

	test('stalled Redis: what a dead worker had sent does nothing', async () => {
		const { daemon, redis } = pair, id = 'late';
		await daemon.waitUntilReady();
		const clients = await connectMany(daemon, 30), before = await runsOf(redis);
		redis.process.kill('SIGSTOP');
		for (const client of clients)
			client.send({ type: 'presence.join', service: SERVICE, documentId: id });
		// Two answers: the first may be written before what the same turn of the loop has for Redis.
		for (let i = 0; i < 2; i++)
			await Promise.all(clients.map(client => client.request({ type: 'ping' })));
		const workers = daemon.workers();
		for (const worker of workers)
			process.kill(worker.pid, 'SIGKILL');
		await until(() => clients.every(client => client.end));
		await until(() => daemon.workers().filter(worker => !workers.some(dead => dead.pid === worker.pid)).length === 2);
		redis.process.kill('SIGCONT');
		await until(async () => {
			const now = await runsOf(redis);
			return now.length === 2 && !now.some(run => before.includes(run)) && (await redis.command('SCARD', 'syncdoc:runs-ended')) === 0;
		});
		// All that the dead had sent stands before this connection's commands by now, or is executed with a run id that is gone.
		await daemon.waitUntilReady();
		await until(async () => (await redis.command('EXISTS', `syncdoc:presence:${SERVICE}:${id}`)) === 0);
		assert.deepEqual((await listOver(await daemon.connect(), SERVICE, id)).members, []);
		assert.deepEqual(await redis.command('KEYS', 'syncdoc:node-presence:*'), []);
	});

	test('lost lease: presence is put again under a new incarnation, and nobody sees it go', async () => {
		const { daemon, redis } = pair, id = 'lease', watcher = await watch(daemon, id), clients = await connectMany(daemon, 20);
		await Promise.all(clients.map(client => join(client, id, { mode: 'editing', data: { a: [] } })));
		await until(() => viewOf(watcher.events, id).members.size === 20);
		const before = await runsOf(redis), [lease] = await redis.command('KEYS', 'syncdoc:node:*');
		assert.ok(before.every(run => lease === `syncdoc:node:${run.replace(/\.\d+$/, '')}`), `${lease} ${before}`);
		assert.ok((await redis.command('TTL', lease)) <= 15);
		const events = presenceEvents(watcher, id).length;
		await redis.command('DEL', lease);
		const after = await until(async () => {
			const now = await runsOf(redis);
			return now.length === 2 && !now.some(run => before.includes(run)) && now;
		});
		for (const client of clients)
			assert.ok(after.includes(await until(async () => {
				const run = await runOf(redis, id, client);
				return !before.includes(run) && run;
			})));
		await until(async () => (await redis.command('KEYS', 'syncdoc:node-presence:*')).every(key => after.includes(key.slice('syncdoc:node-presence:'.length))));
		assert.equal(presenceEvents(watcher, id).length, events, 'no event');
		assert.equal((await listOver(watcher, SERVICE, id)).count, 20);
		await join(await daemon.connect(), id);
		assert.equal((await redis.command('KEYS', 'syncdoc:node:*')).length, 1);
	});

	test('Redis that comes back empty: presence is put again', async () => {
		const { daemon, redis } = pair, id = 'empty', clients = await connectMany(daemon, 10);
		await Promise.all(clients.map(client => join(client, id)));
		redis.client.close();
		await redis.process.kill9();
		await redis.start();
		await daemon.waitUntilReady();
		await until(async () => {
			const list = await listOver(clients[0], SERVICE, id);
			return list.count === 10 && list.members.length === 10;
		});
		clients[3].close();
		await until(async () => (await listOver(clients[0], SERVICE, id)).count === 9);
	});

	test('a clean stop leaves nothing', async () => {
		const { daemon, redis } = pair, clients = await connectMany(daemon, 5);
		await Promise.all(clients.map(client => join(client, 'stop')));
		await daemon.stop();
		assert.deepEqual(await redis.command('KEYS', 'syncdoc:presence:*'), []);
		assert.deepEqual(await redis.command('KEYS', 'syncdoc:node*'), []);
		assert.deepEqual(await redis.command('KEYS', 'syncdoc:runs*'), []);
		await daemon.start();
	});
});

describe('two hosts', () => {
	let redis, one, other;
	before(async () => {
		redis = await Redis.start();
		[one, other] = await Promise.all([Daemon.start({ redis, settings }), Daemon.start({ redis, settings })]);
	});
	after(async () => {
		await one?.stop().catch(() => {});
		await other?.stop();
		await redis?.stop();
	});

	test('each leaves the other alone, and events cross', async () => {
		const id = 'both', watcher = await watch(other, id), here = await one.connect(), there = await other.connect();
		await join(here, id);
		await join(there, id);
		await until(() => viewOf(watcher.events, id).count === 2);
		assert.equal((await runsOf(redis)).length, 4);
		here.close();
		await until(() => viewOf(watcher.events, id).count === 1);
		assert.deepEqual(leftOf(watcher, id), idsOf([here]));
		there.close();
	});

	test('one killed -9 whole and started again: reaped at once', async () => {
		const id = 'restart', watcher = await watch(other, id), clients = await connectMany(one, 50), own = await other.connect();
		await Promise.all([...clients, own].map(client => join(client, id)));
		await until(() => viewOf(watcher.events, id).count === 51);
		await one.process.kill9();
		await until(() => clients.every(client => client.end));
		const pace = await Pace.start({ daemons: [other], redis }), start = Date.now();
		await one.start();
		const ready = Date.now() - start;
		await until(() => leftOf(watcher, id).length === 50);
		const took = pace.ranMs(start);
		pace.stop();
		report(`restart of the same node: ready after ${ready.toFixed(0)} ms, 50 members left by ${took.toFixed(0)} ms`);
		assert.deepEqual(leftOf(watcher, id), idsOf(clients));
		assert.equal(viewOf(watcher.events, id).count, 1);
		assert.ok(took < 8000, `${took} ms: not by the lease`);
	});

	test('one killed -9 whole: reaped by the other within the lease', async () => {
		const id = 'lease', watcher = await watch(other, id), clients = await connectMany(one, 50), own = await other.connect();
		await Promise.all([...clients, own].map(client => join(client, id)));
		await until(() => viewOf(watcher.events, id).count === 51);
		const pace = await Pace.start({ daemons: [other], redis }), start = Date.now();
		await one.process.kill9();
		await until(() => leftOf(watcher, id).length === 50);
		const took = pace.ranMs(start);
		pace.stop();
		report(`killed whole: 50 members left after ${(took / 1000).toFixed(1)} s`);
		assert.deepEqual(leftOf(watcher, id), idsOf(clients));
		assert.equal(viewOf(watcher.events, id).count, 1);
		assert.ok(took < 20000, `${took} ms`);
		await until(async () => (await runsOf(redis)).length === 2);
	});
});
