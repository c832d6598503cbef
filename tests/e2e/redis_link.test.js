// redis_link.test.js: how Redis is reached: by name, while it loads its data, after it was demoted; the loop never waits for it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
	Daemon,
	Process,
	Redis,
	RedisClient,
	assertProblem,
	assertStatus,
	documentPath,
	freePort,
	scrape,
	until,
} from './harness.js';

const redisCondition = async daemon => {
	const { conditions } = (await daemon.rest.get('/readyz?verbose')).json;
	return conditions.find(({ name }) => name === 'redis');
};

// Of /etc/hosts; where that names ::1 first, which nobody listens on, the next address is tried.
test('redis://localhost', async () => {
	const redis = await Redis.start({ port: await freePort() });
	const daemon = await Daemon.start({ settings: { 'redis.url': `redis://localhost:${redis.port}` } });
	try {
		const socket = await daemon.connect();
		await socket.subscribe({ topic: 'sync.named.*' });
		assertStatus(await daemon.rest.put(documentPath('named', 'x'), { data: { n: 1 } }), 201);
		assert.deepEqual((await socket.event()).payload.data, { n: 1 });
		assert.match(await redis.command('CLIENT', 'LIST'), /name=syncdoc-store/);
	} finally {
		await daemon.stop();
		await redis.stop();
	}
});

test('a name that nobody knows is said, tried again, and everything else goes on', async () => {
	const daemon = await Daemon.start({
		settings: { 'redis.url': 'redis://nowhere.invalid:6379', 'redis.timeout': 1 },
		wait: false,
	});
	try {
		await until(async () => /^nowhere\.invalid: name lookup: /.test((await redisCondition(daemon)).reason));
		assertStatus(await daemon.rest.get('/livez'), 200);
		assertProblem(await daemon.rest.get(documentPath('named', 'x')), 503, 'redis_unavailable');
		await until(() =>
			/relay: redis redis:\/\/nowhere\.invalid:6379 lost: nowhere\.invalid: name lookup: .*, retrying in \d+ ms/.test(
				daemon.stderr,
			),
		);
	} finally {
		await daemon.stop();
	}
});

async function restartSlowly(redis) {
	await redis.command(
		'EVAL',
		"for i = 1, 20000 do redis.call('SET', 'other:' .. i, 'value') end return redis.call('SET', 'last', '1')",
		'0',
	);
	await redis.command('SAVE');
	await redis.process.kill9();
	redis.process = new Process('redis-server', [
		...['--port', '0', '--unixsocket', redis.socket, '--dir', redis.directory, '--save', '', '--daemonize', 'no'],
		...['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024'],
	]);
	return until(() => RedisClient.connect({ path: redis.socket }));
}

test('Redis still loads its data: said once, waited for, no fault', async () => {
	const redis = await Redis.start();
	const client = await restartSlowly(redis);
	const daemon = await Daemon.start({ redis, settings: { 'redis.timeout': 0.5 }, wait: false });
	try {
		await until(async () => (await redisCondition(daemon)).reason === 'waiting for Redis to load its data');
		assert.equal((await daemon.readiness()).status, 503);
		const answer = await daemon.rest.put(documentPath('loading', 'x'), { data: {} });
		assertProblem(answer, 503, 'redis_unavailable');
		await client.command('CONFIG', 'SET', 'key-load-delay', '0');
		await daemon.waitUntilReady();
		assertStatus(await daemon.rest.put(documentPath('loading', 'x'), { data: {} }), 201);
		assert.equal(daemon.stderr.match(/info: .*waiting for Redis to load its data/g)?.length, 1, daemon.stderr);
		assert.doesNotMatch(daemon.stderr, / error: | warning: /);
	} finally {
		client.close();
		await daemon.stop();
		await redis.stop();
	}
});

test('the primary is demoted: also the subscription is made anew', async () => {
	const redis = await Redis.start({ port: await freePort() });
	const daemon = await Daemon.start({ redis, settings: { 'redis.timeout': 1 } });
	const subscribers = async () =>
		[...(await redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub')).matchAll(/^id=(\d+)/gm)].map(([, id]) => Number(id));
	try {
		const socket = await daemon.connect();
		await socket.subscribe({ topic: 'sync.demoted.*' });
		const [before, ...others] = await subscribers();
		assert.deepEqual(others, []);
		await redis.command('REPLICAOF', '127.0.0.1', await freePort());
		await until(async () => (await daemon.rest.put(documentPath('demoted', 'x'), { data: {} })).status === 503);
		await until(async () => (await subscribers()).some(id => id > before), 30000);
		assert.match(daemon.stderr, /relay: redis \S+ lost: its server is not the primary any more/);
		await redis.command('REPLICAOF', 'NO', 'ONE');
		await until(async () => (await daemon.rest.put(documentPath('demoted', 'x'), { data: { n: 1 } })).status < 300);
		await socket.next(({ payload }) => payload?.data?.n === 1);
		await daemon.waitUntilReady();
	} finally {
		await daemon.stop();
		await redis.stop();
	}
});

test('an order that only the supervisor gives is not taken from Redis', async () => {
	const redis = await Redis.start();
	const daemon = await Daemon.start({ redis });
	try {
		await redis.command('PUBLISH', 'syncdoc:control', '!primary 1 192.0.2.1');
		await until(
			async () => (await scrape(daemon.rest)).value('syncdoc_host_messages_total', { result: 'forged' }) === 1,
		);
		assert.match(daemon.stderr, /looks like an order of this host's own, ignored/);
		assertStatus(await daemon.rest.put(documentPath('forged', 'x'), { data: {} }), 201);
	} finally {
		await daemon.stop();
		await redis.stop();
	}
});

test('a password file that is a FIFO, or open to all, is refused without waiting for it', async () => {
	const redis = await Redis.start({ port: await freePort(), password: 'secret' });
	const file = path.join(redis.directory, 'password');
	fs.writeFileSync(file, 'secret\n', { mode: 0o644 });
	fs.chmodSync(file, 0o644);
	const daemon = await Daemon.start({
		settings: { 'redis.url': `redis://127.0.0.1:${redis.port}`, 'redis.password_file': file },
		wait: false,
	});
	try {
		await until(async () => /may not be open to others.*chmod 640/.test((await redisCondition(daemon)).reason));
		fs.rmSync(file);
		const { status } = spawnSync('mkfifo', [file]);
		assert.equal(status, 0);
		await until(async () => /is no regular file/.test((await redisCondition(daemon)).reason));
		assertStatus(await daemon.rest.get('/livez'), 200);
		fs.rmSync(file);
		fs.writeFileSync(file, 'secret\n', { mode: 0o600 });
		await daemon.waitUntilReady();
		assert.ok(!daemon.stderr.includes('secret\n'));
	} finally {
		await daemon.stop();
		await redis.stop();
	}
});
