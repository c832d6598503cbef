// redis_cluster.test.js: a node of a Redis Cluster, or a Redis that is too old, in redis.url: refused with the reason, instead of scripts that fail one by one.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { assertProblem, documentPath, makeDirectory, until, withDaemon } from './harness.js';

// As such a server answers: who it is, and to all that has a key that another one has it.
function answerOf(words, version, mode) {
	const verb = words[0].toUpperCase();
	if (verb === 'INFO') {
		const text = `# Server\r\nredis_version:${version}\r\nredis_mode:${mode}\r\nrun_id:0123456789abcdef0123456789abcdef01234567\r\n`;
		return `$${text.length}\r\n${text}\r\n`;
	}
	if (verb === 'PING') return '+PONG\r\n';
	if (verb === 'CLIENT') return '+OK\r\n';
	return '-MOVED 3999 127.0.0.1:6381\r\n';
}

function startServer(socket, version, mode) {
	const asked = [];
	const server = net.createServer(connection => {
		let text = '';
		connection.on('error', () => {});
		connection.on('data', data => {
			text += data.toString('latin1');
			for (let whole; (whole = /^\*(\d+)\r\n/.exec(text)); ) {
				const words = [...text.matchAll(/\$\d+\r\n([^]*?)\r\n/g)].slice(0, Number(whole[1]));
				if (words.length < Number(whole[1])) return;
				text = text.slice(words.at(-1).index + words.at(-1)[0].length);
				asked.push(words[0][1].toUpperCase());
				connection.write(answerOf(words.map(([, word]) => word), version, mode));
			}
		});
	});
	return new Promise(resolve => server.listen(socket, () => resolve({ server, asked })));
}

for (const [name, version, mode, expected] of [
	['a node of a Redis Cluster', '7.0.15', 'cluster', /belongs to a Redis Cluster, which is not supported: redis\.url has to name/],
	['a Redis that is too old', '6.0.16', 'standalone', /it is Redis 6\.0, and 6\.2 or newer is needed/],
])
test(`${name} is refused, and it is said why`, async () => {
	const directory = makeDirectory('cluster'), socket = path.join(directory, 'redis.sock');
	const { server, asked } = await startServer(socket, version, mode);
	try {
		await withDaemon({ redis: { url: `unix://${socket}` }, settings: { workers: 1, 'redis.timeout': 1 }, wait: false }, async daemon => {
			await until(() => expected.test(daemon.stderr), undefined, 'the reason in the log');
			await until(async () => (await daemon.readiness()).status === 503, undefined, 'it serves, and is not ready');
			// The worker's own connections may come later than the supervisor's.
			await until(async () => {
				const { json } = await daemon.rest.get('/readyz?verbose');
				const { ok, reason } = json.conditions.find(({ name }) => name === 'redis');
				assert.equal(ok, false);
				return expected.test(reason);
			});
			assertProblem(await daemon.rest.put(documentPath('cluster', 'x'), { data: {} }), 503, 'redis_unavailable');
		});
		assert.deepEqual([...new Set(asked)].sort(), ['CLIENT', 'INFO', 'PING'], 'nothing that reads or writes was tried');
	} finally {
		server.close();
		fs.rmSync(directory, { recursive: true });
	}
});
