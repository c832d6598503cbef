// hostile_load.test.js: many hostile clients at once, in a small size: tests/bench/hostile.mjs has the full one.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { runHostile } from '../bench/hostile.mjs';
import { until, withPair } from './harness.js';

test('slowloris, a flood of connections, big messages, header bombs and path tricks: who is served notices nothing', async () => {
	const { faults, delivered, phases } = await runHostile({
		halfOpen: 120,
		connections: 500,
		bigMessages: 40,
		bombs: 42,
		tricks: 400,
		slowReaders: 0,
		perAddress: 60,
		seconds: 3,
		requestTimeout: 1,
	});
	assert.deepEqual(faults, []);
	assert.ok(delivered > 0);
	assert.deepEqual(
		phases.map(phase => phase.name),
		['nothing', 'slowloris', 'flood', 'bigMessages', 'headerBombs', 'pathTricks'],
	);
});

// They wait while the worker is stopped, so it takes them in one turn of its loop.
test('connections that come all at once do not get past limits.per_address', () =>
	withPair({ settings: { workers: 1, 'limits.per_address': 5 } }, async ({ daemon }) => {
		await until(async () => (await daemon.readiness()).status === 200);
		const [worker] = daemon.workers(), sockets = [];
		let answered = 0, closed = 0;
		process.kill(worker.pid, 'SIGSTOP');
		try {
			for (let i = 0; i < 50; i++) {
				const socket = net.connect(daemon.port, '127.0.0.1');
				socket.on('error', () => {}).on('close', () => closed++).once('data', () => answered++);
				await new Promise(resolve => socket.once('connect', resolve));
				socket.write('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
				sockets.push(socket);
			}
		} finally {
			process.kill(worker.pid, 'SIGCONT');
		}
		await until(() => answered + closed === 50, undefined, () => `${answered} answered, ${closed} closed`);
		assert.ok(answered >= 1 && answered <= 5, `${answered} of them were served`);
		for (const socket of sockets) socket.destroy();
	}));
