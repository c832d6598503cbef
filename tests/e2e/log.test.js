// log.test.js: the log as a file of lines: text or JSON, the access log, what a reload changes, and what never stands in it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { assertStatus, documentPath, exchange, hasWholeAnswer, scrape, startPair, until } from './harness.js';

async function withLog(settings, run, config) {
	const directory = fs.mkdtempSync('/tmp/syncdoc-log-');
	const file = path.join(directory, 'log');
	const pair = await startPair({ settings: { 'log.target': file, ...settings }, config });
	const lines = () => fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
	try {
		await run({ ...pair, file, lines });
	} finally {
		await pair.stop();
		fs.rmSync(directory, { recursive: true });
	}
}

const SECRET = 'sesame-4711';

test('access log as JSON: one object a line with its members, and no secrets', () =>
	withLog({ 'log.access': 'yes', 'log.format': 'json', 'log.level': 'error' }, async ({ daemon, rest, lines }) => {
		const document = documentPath('log', 'doc_1');
		const put = await rest.put(document, { data: { word: SECRET } }, { 'X-Request-Id': 'my-id' });
		assertStatus(put, 201);
		const got = await rest.get(`${document}?access_token=${SECRET}`, { Authorization: `Bearer ${SECRET}` });
		assert.equal(got.status, 400, 'no query that GET does not know');
		const fine = await rest.get(document);
		assertStatus(fine, 200);
		assert.equal((await rest.request('HEAD', document)).status, 200);
		assertStatus(await rest.get(document, { 'If-None-Match': fine.headers.etag }), 304);
		assertStatus(await rest.get('/no/%ff%22such/route'), 400);
		const socket = await daemon.connect();
		socket.close();

		const accesses = () =>
			lines()
				.map(line => JSON.parse(line))
				.filter(({ message }) => message === 'access');
		const of = wanted =>
			until(
				() => accesses().find(line => Object.entries(wanted).every(([key, value]) => line[key] === value)),
				undefined,
				() => `a line with ${JSON.stringify(wanted)}; there are\n${lines().join('\n')}`,
			);
		const line = await of({ method: 'PUT', path: document, status: 201, requestId: 'my-id' });
		assert.equal(line.bytes, Buffer.byteLength(put.text));
		assert.equal(line.peer, '127.0.0.1');
		assert.equal(line.level, 'info');
		assert.ok(line.milliseconds > 0 && line.milliseconds < 60000);
		await of({ method: 'GET', path: document, status: 400 });
		await of({ method: 'GET', path: document, status: 200, bytes: Buffer.byteLength(fine.text) });
		await of({ method: 'HEAD', path: document, status: 200, bytes: 0 });
		await of({ method: 'GET', path: document, status: 304, bytes: 0 });
		await of({ path: '/no/%ff%22such/route', status: 400 });
		await of({ path: '/v1/realtime', status: 101 });
		assert.ok(!lines().join('\n').includes(SECRET));
		assert.ok(lines().every(text => ['info', 'error'].includes(JSON.parse(text).level)));
	}));

test('access log as text: odd bytes forge no lines, streams tell what they sent', () =>
	withLog({ 'log.access': 'yes' }, async ({ daemon, rest, lines }) => {
		await exchange(daemon.port, 'BREW /a\x1b[31m?secret HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', {
			isDone: hasWholeAnswer,
		});
		const controller = new AbortController();
		const stream = await fetch(`${daemon.url}${documentPath('log', 's')}/events`, {
			headers: { Accept: 'text/event-stream' },
			signal: controller.signal,
		});
		const reader = stream.body.getReader();
		let bytes = (await reader.read()).value.length;
		assertStatus(await rest.put(documentPath('log', 's'), { data: {} }), 201);
		bytes += (await reader.read()).value.length;
		controller.abort();
		await until(() => lines().some(line => /access: 127\.0\.0\.1 GET \S+\/s\/events 200 \d+ bytes/.test(line)));
		const [, sent] = lines()
			.join('\n')
			.match(/\/s\/events 200 (\d+) bytes/);
		assert.ok(Number(sent) >= bytes && bytes > 100, `${sent}, ${bytes}`);
		await until(() =>
			lines().some(line =>
				/access: 127\.0\.0\.1 PUT \/v1\/services\/log\/documents\/s 201 \d+ bytes \d+\.\d{3} ms \w{20}$/.test(line),
			),
		);
		for (const line of lines()) {
			assert.match(
				line,
				/^\d{4}-\d\d-\d\dT[\d:.]+Z (supervisor|worker \d+)\[\d+\] (error|warning|notice|info|debug): \S/,
			);
			assert.ok(!line.includes('\x1b') && !line.includes('secret'), line);
		}
	}));

test('a reload changes level, format and the access log', () =>
	withLog({}, async ({ daemon, lines }) => {
		const ask = async () => {
			const rest = daemon.client({ keepAlive: false });
			assertStatus(await rest.get('/livez'), 200);
			rest.close();
		};
		const reload = async text => {
			const done = lines().filter(line => /reload: done/.test(line)).length;
			fs.writeFileSync(daemon.configFile, text);
			daemon.process.kill('SIGHUP');
			await until(() => lines().filter(line => /reload: done/.test(line)).length > done);
			await until(
				() => lines().filter(line => /drained/.test(line)).length > done,
				undefined,
				'the old worker is gone',
			);
		};
		await ask();
		assert.ok(!lines().some(line => /access/.test(line)), 'off by default');
		await reload('log { access = yes format = json }');
		await daemon.waitUntilReady();
		await ask();
		await until(() => lines().some(line => line.startsWith('{') && JSON.parse(line).path === '/livez'));
		await reload('log { format = text }');
		await daemon.waitUntilReady();
		const before = lines().filter(line => /\/livez/.test(line)).length;
		await ask();
		await reload('');
		assert.equal(lines().filter(line => /\/livez/.test(line)).length, before);
	}));

test('a reload whose values do not go together with what needs a restart is refused', () =>
	withLog(
		{ 'documents.max_size': undefined, 'ring.size': undefined },
		async ({ daemon, lines }) => {
			fs.writeFileSync(daemon.configFile, 'ring { size = "64MiB" } documents { max_size = "1MiB" }');
			daemon.process.kill('SIGHUP');
			await until(() => lines().some(line => /reload: .*32 times.*the old configuration stays/.test(line)));
			await daemon.waitUntilReady();
		},
		'ring { size = "4MiB" } documents { max_size = "64KiB" }',
	));

test('a reload names each key that needs a restart, and leaves it as it was', () =>
	withLog(
		{ workers: undefined, 'ring.size': undefined },
		async ({ daemon, rest, lines }) => {
			fs.writeFileSync(
				daemon.configFile,
				`workers = 2 node = "two" pid_file = "/nowhere/pid" user = "nobody" group = "nogroup" drain_rate = 7
				ring { size = "8MiB" } redis { password_file = "/nowhere/password" timeout = 3 }`,
			);
			daemon.process.kill('SIGHUP');
			await until(() => lines().some(line => /reload: done/.test(line)));
			const named = lines().flatMap(
				line => line.match(/reload: (\S+) has changed; it is applied at the next restart/)?.[1] ?? [],
			);
			assert.deepEqual(named.sort(), [
				'group',
				'node',
				'pid_file',
				'redis.password_file',
				'ring.size',
				'user',
				'workers',
			]);
			await daemon.waitUntilReady();
			const seen = await scrape(rest);
			assert.equal(seen.value('syncdoc_workers'), 1);
			assert.equal(seen.value('syncdoc_ring_size_bytes'), 4 << 20);
			// The old one may still be ending.
			await until(() => daemon.workers().length === 1);
		},
		'workers = 1 node = "one" ring { size = "4MiB" }',
	));

test('a log that takes nothing stops nobody, and what is lost is counted', async () => {
	const { rest, stop } = await startPair({ settings: { workers: 1, 'log.target': '/dev/full', 'log.access': 'yes' } });
	try {
		assertStatus(await rest.put(documentPath('log', 'full'), { data: {} }), 201);
		await until(async () => {
			const figures = await scrape(rest);
			return figures.value('syncdoc_log_lines_lost_total') > 0 && figures.value('syncdoc_supervisor_log_lines_lost_total') > 0;
		}, undefined, 'lost lines of the worker and of the supervisor');
	} finally {
		await stop();
	}
});
