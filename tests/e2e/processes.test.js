// processes.test.js: workers and supervisors that are killed, stopped, drained and reloaded.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import {
	Daemon,
	Redis,
	assertStatus,
	childrenOf,
	documentPath,
	handshake,
	isAlive,
	turn,
	until,
	withPair,
	within,
} from './harness.js';

const isEvent = message => message.type === 'event';

const pidsOf = daemon => daemon.workers().map(worker => worker.pid);

async function subscribers(daemon, count) {
	const clients = [];
	for (let i = 0; i < count; i++) {
		const ws = await daemon.connect();
		await ws.subscribe({ topic: 'sync.p.*' });
		clients.push(ws);
	}
	return clients;
}

test('a worker killed with -9 is replaced; the other goes on, what waits to be accepted is served', () =>
	withPair({ settings: { workers: 2 } }, async ({ daemon, rest }) => {
		const clients = await subscribers(daemon, 16);
		const [victim, other] = pidsOf(daemon);
		process.kill(victim, 'SIGKILL');
		await until(() => !isAlive(victim));
		// Fresh connections: half of them wait in the dead worker's queue.
		const fresh = daemon.client({ keepAlive: false, maxSockets: 100 });
		for (const answer of await Promise.all(Array.from({ length: 40 }, () => fresh.get('/livez'))))
			assertStatus(answer, 200);
		await until(() => pidsOf(daemon).length === 2);
		const now = pidsOf(daemon);
		assert.ok(now.includes(other) && !now.includes(victim), `${now}`);

		await until(() => clients.some(ws => ws.end), undefined, 'the clients of the dead worker see its end');
		const left = clients.filter(ws => !ws.end);
		assert.ok(left.length > 0 && left.length < clients.length, `${left.length} of ${clients.length} are left`);
		const back = await subscribers(daemon, clients.length - left.length);
		await daemon.waitUntilReady();
		rest.close();
		const { revision } = assertStatus(await daemon.client().put(documentPath('p', 'x'), { data: { a: 1 } }), 201);
		for (const ws of [...left, ...back]) assert.equal((await ws.next(isEvent)).payload.revision, revision);
		assert.match(daemon.stderr, new RegExp(`worker \\d \\(pid ${victim}\\):.*(signal 9|SIGKILL|[Kk]illed)`));
	}));

test('writes go on while workers are killed again and again; what was acknowledged is there once', () =>
	withPair({ settings: { workers: 2 } }, async ({ daemon, redis }) => {
		const acknowledged = new Set();
		let writing = true;
		const writers = Array.from({ length: 4 }, async (_, writer) => {
			for (let i = 0; writing; i++) {
				const client = daemon.client({ keepAlive: false }),
					name = `w${writer}n${i}`;
				try {
					const answer = await client.patch(documentPath('p', 'kill'), { data: { [name]: i } });
					if (answer.status === 200) acknowledged.add(name);
				} catch {
					// its worker died: the outcome is not known to us
				}
				client.close();
			}
		});
		assertStatus(await daemon.client().put(documentPath('p', 'kill'), { data: {} }), 201);
		for (let round = 0; round < 4; round++) {
			const wanted = acknowledged.size + 20;
			await until(() => acknowledged.size >= wanted);
			const [victim] = pidsOf(daemon);
			process.kill(victim, 'SIGKILL');
			await until(() => pidsOf(daemon).length === 2 && !pidsOf(daemon).includes(victim));
		}
		writing = false;
		await Promise.all(writers);
		const { data, revision } = assertStatus(await daemon.client().get(documentPath('p', 'kill')), 200);
		for (const name of acknowledged) assert.ok(name in data, `${name} was acknowledged`);
		assert.equal(revision, Object.keys(data).length + 1, 'every write was done once');
		await until(
			async () => (await redis.command('SCARD', 'syncdoc:runs')) === 2,
			undefined,
			'the runs of the dead are forgotten',
		);
	}));

test('a worker that hangs is killed after worker_timeout and replaced', () =>
	withPair({ settings: { workers: 1, worker_timeout: 1 } }, async ({ daemon }) => {
		const [victim] = pidsOf(daemon);
		process.kill(victim, 'SIGSTOP');
		await until(() => !isAlive(victim));
		await until(() => pidsOf(daemon).length === 1);
		await daemon.waitUntilReady();
		assert.match(daemon.stderr, /no heartbeat/);
	}));

test('SIGTERM: requests under way are answered, clients get goaway and 1012, exit 0', async () => {
	const redis = await Redis.start();
	const daemon = await Daemon.start({ redis, settings: { workers: 2, drain_timeout: 2 } });
	const [stays, ...goes] = await subscribers(daemon, 6);
	const client = daemon.client();
	const answers = Array.from({ length: 20 }, (_, i) => client.put(documentPath('p', `d${i}`), { data: { i } }));
	await answers[0];
	daemon.process.kill('SIGTERM');
	for (const answer of await Promise.all(answers)) assertStatus(answer, 201);
	for (const ws of [stays, ...goes]) {
		const goaway = await ws.next(message => message.type === 'goaway');
		assert.ok(goaway.retryAfterMs >= 0 && goaway.retryAfterMs < 60000);
		if (ws !== stays) ws.socket.close(1000);
	}
	assert.equal((await stays.waitForClose()).code, 1012);
	assert.deepEqual(await daemon.process.waitForExit(), { code: 0, signal: null });
	assert.equal(await redis.command('SCARD', 'syncdoc:runs'), 0);
	await assert.rejects(daemon.client().get('/livez'));
	await daemon.stop();
	await redis.stop();
});

test('SIGTERM with nobody there ends at once, a second one does not wait', () =>
	withPair({ settings: { drain_timeout: 600 } }, async ({ daemon }) => {
		const ws = await daemon.connect();
		daemon.process.kill('SIGTERM');
		await ws.next(message => message.type === 'goaway');
		daemon.process.kill('SIGTERM');
		await within(daemon.process.exited, 30000, 'the end after a second SIGTERM, and not after drain_timeout');
	}));

test('SIGHUP: a new generation serves without a failed request, old clients get goaway, then 1012', () =>
	withPair(
		{ settings: { workers: 2, drain_timeout: 3 }, config: 'hosts = {"old.example"}\n' },
		async ({ daemon, redis }) => {
			const clients = await subscribers(daemon, 6),
				before = pidsOf(daemon);
			const host = name =>
				daemon
					.client({ keepAlive: false })
					.get('/v1/services', { Host: name })
					.then(answer => answer.status);
			assert.deepEqual([await host('old.example'), await host('new.example')], [200, 421]);
			fs.writeFileSync(daemon.configFile, 'hosts = {"new.example"}\nring { size = "8MiB" }\n');

			let asking = true,
				asked = 0;
			const askers = Array.from({ length: 4 }, async () => {
				for (; asking; asked++) {
					const client = daemon.client({ keepAlive: false });
					const { status, text } = await client.put(documentPath('p', 'reload'), { data: { asked } });
					assert.ok(status === 200 || status === 201, text);
					client.close();
				}
			});
			daemon.process.kill('SIGHUP');
			await until(() => pidsOf(daemon).filter(pid => !before.includes(pid)).length === 2);
			for (const ws of clients) await ws.next(message => message.type === 'goaway');
			const fresh = await subscribers(daemon, 4);
			const closes = await Promise.all(clients.map(ws => ws.waitForClose()));
			assert.deepEqual(new Set(closes.map(close => close.code)), new Set([1012]));
			await until(() => !before.some(isAlive), undefined, 'the old generation ends');
			asking = false;
			await Promise.all(askers);
			assert.ok(asked > 20);
			assert.deepEqual([await host('old.example'), await host('new.example')], [421, 200]);
			for (const ws of fresh) assert.ok((await ws.next(isEvent)).payload.revision > 0);
			await until(async () => (await redis.command('SCARD', 'syncdoc:runs')) === 2);
		},
	));

test('what has begun to arrive when a drain begins is answered, a WebSocket handshake too', () =>
	withPair({ settings: { workers: 1, drain_timeout: 30 } }, async ({ daemon }) => {
		const body = '{"data":{"a":1}}', shake = handshake(daemon.port);
		const sockets = [
			`PUT ${documentPath('p', 'late')} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n{`,
			shake.slice(0, 60),
		].map(text => {
			const socket = net.connect(daemon.port, '127.0.0.1');
			socket.got = '';
			socket.on('data', data => (socket.got += data.toString('latin1')));
			socket.write(text);
			return socket;
		});
		await until(async () => (await daemon.readiness()).status === 200); // a later connection: those before are accepted
		daemon.process.kill('SIGHUP');
		await until(() => /worker 0.* draining: /.test(daemon.stderr));
		sockets[0].write(body.slice(1));
		sockets[1].write(shake.slice(60));
		await until(() => /^HTTP\/1.1 201 [^]*\r\nConnection: close\r\n/i.test(sockets[0].got), undefined, () => sockets[0].got);
		await until(() => /^HTTP\/1.1 101 [^]*"welcome"[^]*"goaway"/.test(sockets[1].got), undefined, () => sockets[1].got);
		for (const socket of sockets) socket.destroy();
	}));

test('SIGHUP with a broken config changes nothing and says so', () =>
	withPair({ config: 'hosts = {"old.example"}\n' }, async ({ daemon, rest }) => {
		const before = pidsOf(daemon);
		fs.writeFileSync(daemon.configFile, 'hosts = {"old.example"}\nws { rate = 0 }\n');
		daemon.process.kill('SIGHUP');
		await until(() => /ws\.rate/.test(daemon.stderr));
		assert.match(daemon.stderr, /syncdocd\.conf:2: ws\.rate/);
		assert.deepEqual(pidsOf(daemon), before);
		assertStatus(await rest.get('/v1/services', { Host: 'old.example' }), 200);
	}));

test('SIGHUP three times in a row ends the oldest generation, and the newest serves', () =>
	withPair({ settings: { workers: 1, drain_timeout: 30 } }, async ({ daemon }) => {
		const [first] = pidsOf(daemon);
		await subscribers(daemon, 1);
		for (let i = 0; i < 3; i++) {
			const known = pidsOf(daemon);
			daemon.process.kill('SIGHUP');
			await until(() => pidsOf(daemon).some(pid => !known.includes(pid)));
			await (await daemon.connect()).subscribe({ topic: 'sync.p.*' });
		}
		await until(() => !isAlive(first), undefined, 'the first generation ends');
		await daemon.waitUntilReady();
		const [ws] = await subscribers(daemon, 1);
		assertStatus(await daemon.client().put(documentPath('p', 'again'), { data: {} }), 201);
		await ws.next(isEvent);
	}));

test('supervisor killed with -9: workers are gone, and it starts again on the same place', async () => {
	const redis = await Redis.start();
	const daemon = await Daemon.start({ redis, settings: { workers: 2 } });
	const workers = pidsOf(daemon),
		[ws] = await subscribers(daemon, 1);
	assertStatus(await daemon.rest.put(documentPath('p', 'x'), { data: { a: 1 } }), 201);
	await daemon.process.kill9();
	await until(() => !workers.some(isAlive), undefined, 'the workers end');
	await ws.waitForClose();
	await daemon.start();
	assert.deepEqual(assertStatus(await daemon.rest.get(documentPath('p', 'x')), 200).data, { a: 1 });
	await daemon.stop();
	await redis.stop();
});

test('embedded Redis: data survives SIGTERM, kill -9 of the supervisor, and kill -9 of Redis', async () => {
	const daemon = await Daemon.start({ settings: { workers: 1 } });
	const redisOf = () => childrenOf(daemon.pid).find(child => /redis|valkey/.test(child.command))?.pid;
	const path = documentPath('p', 'embedded');
	const write = async n => assert.equal((await daemon.rest.put(path, { data: { n } })).json.revision, n);
	const check = async n => assert.equal(assertStatus(await daemon.rest.get(path), 200).data.n, n);
	await write(1);
	assert.ok(redisOf());
	await daemon.stop();
	await daemon.start();
	await check(1);
	await write(2);

	const former = redisOf();
	await daemon.process.kill9();
	await daemon.start();
	assert.ok(!isAlive(former) && redisOf() !== former, 'never two, never adopted');
	await check(2);
	await write(3);

	const [ws] = await subscribers(daemon, 1);
	process.kill(redisOf(), 'SIGKILL');
	await until(async () => (await daemon.rest.put(path, { data: { n: 4 } })).status === 200);
	await check(4);
	assert.equal((await daemon.rest.get(path)).json.revision, 4);
	await daemon.waitUntilReady();
	await until(
		async () => {
			await daemon.rest.put(documentPath('p', 'flow'), { data: {} });
			await turn();
			return ws.events.some(event => event.payload.documentId === 'flow');
		},
		undefined,
		'events flow again',
	);
	await daemon.stop();
});
