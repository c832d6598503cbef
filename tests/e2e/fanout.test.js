// fanout.test.js: hosts that share a Redis, clients and workers that fall behind, and rubbish on the channels.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	Daemon,
	RawWebSocket,
	Redis,
	TEXT,
	assertProblem,
	assertStatus,
	documentPath,
	frame,
	isAlive,
	keys,
	until,
	withPair,
} from './harness.js';
import { askControl } from './lib/control.js';

const isEvent = message => message.type === 'event';

test('two hosts on one Redis: events and conditions hold across both', async () => {
	const redis = await Redis.start(),
		hosts = [];
	for (const node of ['left', 'right']) hosts.push(await Daemon.start({ redis, settings: { node } }));
	const sockets = [];
	for (const host of hosts) {
		sockets.push(await host.connect());
		await sockets.at(-1).subscribe({ topic: 'sync.two.*', returnMode: 'both' });
	}
	const path = documentPath('two', 'x');
	assertStatus(await hosts[0].rest.put(path, { data: {} }), 201);
	const ROUNDS = 25,
		WRITERS = 4;
	for (let round = 0; round < ROUNDS; round++) {
		const expectedRevision = 1 + round * 2;
		const races = hosts.flatMap(host =>
			Array.from({ length: WRITERS }, (_, i) =>
				host.rest.patch(path, { data: { [`r${round}`]: i }, expectedRevision }),
			),
		);
		const answers = await Promise.all(races);
		assert.deepEqual(answers.map(answer => answer.status).sort(), [200, ...Array(2 * WRITERS - 1).fill(409)]);
		for (const answer of answers.filter(one => one.status === 409))
			assert.equal(assertProblem(answer, 409, 'revision_conflict').currentRevision, expectedRevision + 1);
		assertStatus(await hosts[round % 2].rest.patch(path, { data: { free: round } }), 200);
	}
	const wanted = Array.from({ length: 1 + 2 * ROUNDS }, (_, i) => i + 1);
	for (const ws of sockets) {
		await until(() => ws.events.length >= wanted.length);
		assert.deepEqual(
			ws.events.map(event => event.payload.revision),
			wanted,
		);
	}
	assert.deepEqual(
		sockets[0].events.map(event => event.payload),
		sockets[1].events.map(event => event.payload),
	);
	for (const host of hosts) await host.stop();
	await redis.stop();
});

test('a client that does not read delays nobody, gets the newest when it reads, and does not stay for ever', () =>
	withPair({ settings: { 'ws.queue': '64KiB', 'ws.stall_timeout': 6 } }, async ({ daemon, rest }) => {
		const connect = async () => {
			const raw = await RawWebSocket.connect(
				daemon.port,
				frame(TEXT, '{"type":"subscribe","topic":"sync.slow.*","id":1}'),
			);
			await raw.next(item => item.payload.includes('subscribed'));
			raw.socket.pause();
			return raw;
		};
		const slow = await connect(),
			stalled = await connect();
		const quick = await daemon.connect();
		await quick.subscribe({ topic: 'sync.slow.*', returnMode: 'diff' });
		// More than sockets and queue take.
		const text = 'x'.repeat(50000),
			WRITES = 400;
		let resumeAt = 0;
		for (let i = 0; i < WRITES; i++) {
			const { revision } = (await rest.put(documentPath('slow', 'x'), { data: { text, i } })).json;
			assert.equal((await quick.next(isEvent)).payload.revision, revision);
			// Now and then, however long the writes take, so that it does not stall.
			if (Date.now() < resumeAt) {
				slow.socket.pause();
			} else {
				slow.socket.resume();
				resumeAt = Date.now() + 300;
			}
		}
		slow.socket.resume();
		let last = 0,
			joined = 0;
		await until(
			() => {
				for (const item of slow.frames.splice(0)) {
					const { type, payload } = item.opcode === TEXT ? JSON.parse(item.payload.toString()) : {};
					if (type !== 'event') continue;
					assert.equal(payload.fromRevision ?? payload.revision - 1, last);
					assert.equal(payload.data.i, payload.revision - 1);
					if (payload.fromRevision !== undefined) joined++;
					last = payload.revision;
				}
				return last === WRITES;
			},
			undefined,
			() => `the newest revision; it has ${last} after ${joined} joined ones, ended ${slow.ended}`,
		);
		const [worker] = daemon.workers();
		await until(
			async () => {
				await quick.request({ type: 'ping' });
				return daemon.stderr.includes('ws.stall_timeout is over');
			},
			undefined,
			'the stalled client is closed',
		);
		stalled.socket.resume();
		await until(() => stalled.ended || stalled.frames.some(item => item.opcode === 8), undefined, 'its Close');
		assert.ok(isAlive(worker.pid));
		assert.ok(!slow.ended);
		const closes = stalled.frames.filter(item => item.opcode === 8);
		if (closes.length) assert.equal(closes[0].payload.readUInt16BE(0), 1013);
		slow.close();
		stalled.close();
	}));

test('a worker that was overtaken tells its clients, and delivers again', () =>
	withPair({ settings: { workers: 2, worker_timeout: 600 } }, async ({ daemon, redis }) => {
		const clients = [];
		// Until both workers have some.
		const hasEach = async () => (await askControl(daemon, { verb: 'status' })).result.workers.every(worker => worker.connections > 0);
		while (clients.length < 12 || !(await hasEach())) {
			const ws = await daemon.connect();
			await ws.subscribe({ topic: 'sync.lap.*', returnMode: 'diff' });
			await ws.subscribe({ topic: 'sync.lap.updated', documentId: 'x', returnMode: 'diff' });
			clients.push(ws);
		}
		const [stopped] = daemon.workers();
		process.kill(stopped.pid, 'SIGSTOP');
		const ask = async () => {
			// A fresh connection may meet the stopped worker, and then waits there.
			const client = daemon.client({ keepAlive: false, deadlineMs: 500 });
			try {
				return await client.get('/livez');
			} catch {
				return null;
			}
		};
		let running;
		try {
			await until(ask);
			// Written to the channel as any host would: it is the ring that matters here.
			const data = JSON.stringify({ text: 'x'.repeat(60000) });
			for (let revision = 1; revision <= 120; revision++)
				await redis.command(
					'PUBLISH',
					keys.channel('lap', 'x'),
					`{"type":"event","topic":"sync.lap.updated","source":"sync","timestamp":${revision},` +
						`"payload":{"service":"lap","documentId":"x","revision":${revision},"data":${data},"diff":{"added":{},"removed":[],"changed":{}}}}`,
				);
			running = clients.filter(ws => ws.events.length > 0);
			await until(
				() => {
					running = clients.filter(ws => ws.events.length > 0);
					return running.length && running.every(ws => ws.events.length === 120);
				},
				undefined,
				'the other worker delivers',
			);
		} finally {
			process.kill(stopped.pid, 'SIGCONT');
		}
		const lapped = clients.filter(ws => !running.includes(ws));
		assert.ok(lapped.length > 0 && running.length > 0, `${lapped.length} and ${running.length}`);
		for (const ws of lapped) {
			const notices = [
				await ws.next(message => message.type === 'resync'),
				await ws.next(message => message.type === 'resync'),
			];
			assert.deepEqual(
				notices.map(({ topic, documentId, reason }) => [topic, documentId, reason]).sort(),
				[
					['sync.lap.*', undefined, 'lapped'],
					['sync.lap.updated', 'x', 'lapped'],
				],
				'one for each subscription',
			);
		}
		for (const ws of running) assert.ok(!ws.messages.some(message => message.type === 'resync'));
		const seen = clients.map(ws => ws.events.length);
		assertStatus(await daemon.rest.put(documentPath('lap', 'y'), { data: { n: 1 } }), 201);
		for (const [i, ws] of clients.entries())
			await until(
				() => ws.events.slice(seen[i]).some(event => event.payload.documentId === 'y'),
				undefined,
				'an event after it',
			);
	}));

test('rubbish on the channels is dropped; what is right comes through behind it', () =>
	withPair({}, async ({ daemon, rest, redis }) => {
		const ws = await daemon.connect(),
			supervisor = daemon.pid;
		await ws.subscribe({ topic: 'sync.*.*', returnMode: 'both' });
		const good =
			'{"type":"event","topic":"sync.c.updated","source":"sync","timestamp":1,"payload":{"service":"c","documentId":"x","revision":1,"data":{},' +
			'"diff":{"added":{},"removed":[],"changed":{}}}}';
		const rubbish = [
			'',
			'x',
			'{}',
			'[]',
			'null',
			good.slice(0, -1),
			`${good}x`,
			` ${good}`,
			good.replace('"c"', '"d"'),
			good.replace('"revision":1', '"revision":-1'),
			good.replace('"revision":1', '"revision":1e3'),
			good.replace('"data":{}', '"data":[]'),
			good.replace('"x"', '"x\\u0000"'),
			good.replace('"timestamp":1,', ''),
			good.replace('"type":"event"', '"type":"goaway"'),
			good.replace('updated', '*'),
			good.replace(',"data":{}', ''),
			good.replace('"data":{}', '"data":{"a":1,"a":2}'),
			good.replace('"x"', `"${'x'.repeat(200)}"`),
			'{"a":'.repeat(5000),
			Buffer.from([0xff, 0xfe, 0]).toString('latin1'),
		];
		for (const text of rubbish) await redis.command('PUBLISH', keys.channel('c', 'x'), text);
		for (const channel of ['syncdoc:channel:', 'syncdoc:channel:c', `syncdoc:channel:${'x'.repeat(5000)}`])
			await redis.command('PUBLISH', channel, 'x');
		for (const channel of await redis.command('PUBSUB', 'CHANNELS', 'syncdoc:mark:*'))
			for (const text of ['', 'x', '-1', '99999999999999999999999', '{}'])
				await redis.command('PUBLISH', channel, text);
		await redis.command('PUBLISH', keys.channel('c', 'x'), good.replace('"revision":1', '"revision":7'));
		assert.equal((await ws.next(isEvent)).payload.revision, 7);
		assertStatus(await rest.put(documentPath('c', 'x'), { data: { a: 1 } }), 201);
		assert.equal((await ws.next(isEvent)).payload.revision, 1);
		assert.equal(ws.events.length, 2);
		assert.equal(daemon.pid, supervisor);
		await daemon.waitUntilReady();
	}));
