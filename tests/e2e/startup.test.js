// startup.test.js: starts that must fail, each with one clear line and its exit code; `syncdocd -t`; Redis that comes later.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import {
	Daemon,
	Redis,
	SYNCDOCD,
	assertNoSanitizerReport,
	assertProblem,
	assertStatus,
	documentPath,
	freePort,
	makeDirectory,
	run,
	sanitizerEnvironment,
	until,
} from './harness.js';

const START_MS = 90000;

async function syncdocd(...args) {
	const result = await run(SYNCDOCD, args, { env: sanitizerEnvironment, deadlineMs: START_MS });
	assertNoSanitizerReport(result.stderr);
	return result;
}

const options = settings => Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);

// What the daemon says beside its log lines: those begin with a time.
const wordsOf = stderr => stderr.split('\n').filter(line => line && !/^\d{4}-\d\d-\d\dT/.test(line));

async function assertRefused(settings, code, ...patterns) {
	const state = path.join(makeDirectory(), 'state');
	const result = await syncdocd(
		'-f',
		'-c',
		'/dev/null',
		...options({
			state_dir: state,
			listen: `127.0.0.1:${await freePort()}`,
			'redis.url': 'unix:///nowhere',
			...settings,
		}),
	);
	assert.equal(result.code, code, result.stderr);
	const words = wordsOf(result.stderr);
	assert.equal(words.length, 1, `one line, not: ${result.stderr}`);
	for (const pattern of patterns) assert.match(words[0], pattern);
}

function write(text) {
	const file = path.join(makeDirectory(), 'syncdocd.conf');
	fs.writeFileSync(file, text);
	return file;
}

describe('syncdocd -t', () => {
	const broken = [
		['a value out of its range', 'workers = 2\n\nws {\n\trate = 0\n}\n', 4, 'ws.rate'],
		['an unknown key', '# a comment\nlisten = {"127.0.0.1:8080"}\nlissten = {"127.0.0.1:8081"}\n', 3, 'lissten'],
		['a value of the wrong kind', 'redis {\n\ttimeout = "soon"\n}\n', 2, 'redis.timeout'],
		[
			'values that do not go together',
			'documents {\n\tmax_size = "4MiB"\n}\nring {\n\tsize = "64MiB"\n}\n',
			5,
			'ring.size',
		],
		[
			'a listener others can reach, without auth.mode',
			'workers = 1\nlisten = {"127.0.0.1:8080", "0.0.0.0:8080"}\n',
			2,
			'listen',
		],
		['a bracket that is not closed', 'ws {\n\trate = 5\n', undefined, undefined],
		['a key that stands twice', 'workers = 1\nworkers = 2\n', 2, 'workers'],
		['what this version cannot do', 'tls {\n\tcert = "/c"\n}\n', 2, 'tls.cert'],
		['tokens without keys', 'auth {\n\tmode = "jwt"\n}\n', 2, 'auth.mode'],
		['a ring that is no power of two', 'ring { size = "100MiB" }\n', 1, 'ring.size'],
		['a bad size', 'documents { max_size = "1MB" }\n', 1, 'documents.max_size'],
		['cluster', 'redis {\n\tcluster = yes\n}\n', 2, 'redis.cluster'],
	];
	for (const [name, text, line, key] of broken)
		test(`names file, line and key of ${name}, exit code 2`, async () => {
			const file = write(text);
			const { code, stderr, stdout } = await syncdocd('-t', '-c', file);
			assert.equal(code, 2, stderr);
			assert.equal(stdout, '');
			assert.equal(wordsOf(stderr).length, 1, stderr);
			const place = line === undefined ? `${file}:` : `${file}:${line}: ${key}`;
			assert.ok(stderr.includes(place), `${stderr} has no ${place}`);
			// A start refuses it with the same words.
			const start = await syncdocd('-f', '-c', file);
			assert.equal(start.code, 2);
			assert.equal(start.stderr, stderr);
		});

	test('names the option where that is at fault', async () => {
		for (const [option, key] of [
			['ws.rate=0', 'ws.rate'],
			['no.such=1', 'no.such'],
			['listen=0.0.0.0:80', 'listen'],
		]) {
			const { code, stderr } = await syncdocd('-t', '-c', '/dev/null', '-o', option);
			assert.equal(code, 2);
			assert.ok(stderr.includes(key), stderr);
		}
		assert.equal((await syncdocd('-t', '-o', 'nonsense')).code, 2);
		assert.equal((await syncdocd('-x')).code, 2);
		assert.equal((await syncdocd('-t', 'more')).code, 2);
	});

	test('prints the effective configuration, which reads back to the same', async () => {
		const file = write(
			'workers = 3\nhosts = {"a.example", "b.example"}\nredis { url = "redis://:secret@127.0.0.1:6379" }\nws { rate = 77 }\n',
		);
		const first = await syncdocd(
			'-t',
			'-c',
			file,
			'-o',
			'ws.burst=99',
			'-o',
			'cors_origins=https://x.example,https://y.example',
		);
		assert.equal(first.code, 0, first.stderr);
		assert.equal(first.stderr, '');
		for (const text of ['rate = 77', 'burst = 99', 'workers = 3', 'a.example', 'https://y.example'])
			assert.ok(first.stdout.includes(text), `${text} in ${first.stdout}`);
		assert.ok(!first.stdout.includes('secret'));
		const again = await syncdocd('-t', '-c', write(first.stdout));
		assert.equal(again.stdout, first.stdout, again.stderr);
	});

	test('reads the shipped configuration', async () => {
		const shipped = new URL('../../etc/syncdocd.conf', import.meta.url).pathname;
		assert.equal((await syncdocd('-t', '-c', shipped)).code, 0);
	});

	test('checks no users, paths, ports or Redis', async () => {
		const { code, stderr } = await syncdocd(
			'-t',
			'-c',
			write('user = "nobody-of-that-name"\nstate_dir = "/nowhere/at/all"\nlisten = {"127.0.0.1:1"}\n'),
		);
		assert.equal(code, 0, stderr);
	});

	test('a config file that is not there', async () => {
		const { code, stderr } = await syncdocd('-t', '-c', '/nowhere/syncdocd.conf');
		assert.equal(code, 2);
		assert.match(stderr, /\/nowhere\/syncdocd\.conf.*No such file/);
	});

	test('-V and -h', async () => {
		assert.match((await syncdocd('-V')).stdout, /^syncdocd \d+\.\d+/);
		assert.match((await syncdocd('-h')).stdout, /Usage: syncdocd/);
	});
});

describe('a start that cannot succeed', () => {
	test('a used port', async () => {
		const server = net.createServer();
		await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
		const { port } = server.address();
		await assertRefused(
			{ listen: `127.0.0.1:${port}` },
			1,
			new RegExp(`127\\.0\\.0\\.1:${port}`),
			/Address already in use; `ss -ltnp` shows by whom/,
		);
		server.close();
	});

	test('a unix socket path in use, or of a file', async () => {
		const directory = makeDirectory(),
			socket = path.join(directory, 'a.sock'),
			file = path.join(directory, 'file');
		const server = net.createServer();
		await new Promise(resolve => server.listen(socket, resolve));
		await assertRefused({ listen: `unix:${socket}` }, 1, /a\.sock/, /in use/);
		await new Promise(resolve => server.close(resolve));
		fs.writeFileSync(file, 'mine');
		await assertRefused({ listen: `unix:${file}` }, 1, /file/);
		assert.equal(fs.readFileSync(file, 'utf8'), 'mine');
	});

	test('a state directory that cannot be made, or is none', async () => {
		const file = path.join(makeDirectory(), 'file');
		fs.writeFileSync(file, '');
		await assertRefused({ state_dir: `${file}/below` }, 1, /state_dir/, /file\/below/, /Not a directory/);
		await assertRefused({ state_dir: file }, 1, /state_dir/, /Not a directory/);
	});

	test(
		'a state directory that cannot be written',
		{ skip: process.getuid() === 0 && 'root may write everywhere' },
		async () => {
			const directory = makeDirectory();
			fs.chmodSync(directory, 0o500);
			await assertRefused({ state_dir: directory }, 1, /state_dir/, /Permission denied/);
		},
	);

	test('an address that is not of this host', async () => {
		await assertRefused({ listen: '192.0.2.1:8080', 'auth.mode': 'none' }, 1, /192\.0\.2\.1:8080/, /no such address/);
	});

	test('a state directory whose lock is a link to somewhere else', async () => {
		const directory = makeDirectory(), target = path.join(makeDirectory(), 'mine');
		fs.writeFileSync(target, 'mine');
		fs.symlinkSync(target, path.join(directory, 'lock'));
		await assertRefused({ state_dir: directory }, 1, /state_dir .*: the file lock in it is a symbolic link/);
		assert.equal(fs.readFileSync(target, 'utf8'), 'mine');
	});

	test('a state directory that is a link to itself', async () => {
		const loop = path.join(makeDirectory(), 'loop');
		fs.symlinkSync('loop', loop);
		await assertRefused({ state_dir: loop }, 1, /state_dir .*: Too many levels of symbolic links/);
	});

	test('a state directory whose parent is missing', async () => {
		await assertRefused({ state_dir: '/nowhere/at/all' }, 1, /state_dir \/nowhere\/at\/all: the directory above it is not there/);
	});

	test(
		'what the user may not open is refused with his name',
		{ skip: process.getuid() !== 0 && 'only root becomes somebody else' },
		async () => {
			const place = makeDirectory(), file = path.join(place, 'file'), open = makeDirectory();
			fs.chmodSync(place, 0o700);
			fs.chmodSync(open, 0o755);
			fs.writeFileSync(file, '', { mode: 0o600 });
			for (const [key, settings] of [
				['state_dir', { state_dir: place }],
				['log.target', { 'log.target': file }],
				['auth.tokens', { 'auth.mode': 'token', 'auth.tokens': file }],
				['tls.cert', { 'tls.cert': file, 'tls.key': file }],
			])
				await assertRefused(
					{ state_dir: path.join(open, 'state'), ...settings, user: 'nobody' },
					1,
					new RegExp(`${key}:? ${place}.*: Permission denied \\(for user nobody\\)`),
				);
		},
	);

	test('an unknown user', async () => {
		await assertRefused({ user: 'nobody-of-that-name' }, 1, /nobody-of-that-name/);
	});

	test('a port others can reach without auth.mode', async () => {
		await assertRefused({ listen: '0.0.0.0:8080' }, 2, /listen/, /auth\.mode/);
	});

	test('a state directory that another syncdocd uses', async () => {
		const redis = await Redis.start(),
			daemon = await Daemon.start({ redis });
		await assertRefused({ state_dir: daemon.stateDir }, 1, /state_dir/, new RegExp(`\\b${daemon.pid}\\b`));
		assertStatus(await daemon.rest.get('/readyz'), 200);
		await daemon.stop();
		await redis.stop();
	});
});

test('Redis away at the start is retried; /readyz is 503 until it is there', async () => {
	const redis = new Redis({ port: await freePort() });
	for (const url of [`unix://${redis.socket}`, `redis://127.0.0.1:${redis.port}`]) {
		const daemon = await Daemon.start({ settings: { 'redis.url': url, 'redis.timeout': 1 }, wait: false });
		await until(async () => (await daemon.readiness()).status === 503);
		assertStatus(await daemon.rest.get('/livez'), 200);
		assertProblem(await daemon.rest.put(documentPath('start', 'x'), { data: {} }), 503, 'redis_unavailable');
		await redis.start();
		await daemon.waitUntilReady();
		const ws = await daemon.connect();
		await ws.subscribe({ topic: 'sync.start.*' });
		assertStatus(await daemon.rest.put(documentPath('start', 'x'), { data: {} }), 201);
		await ws.event();
		await daemon.stop();
		await redis.stop();
	}
});

test('a state directory where everybody may write is warned of; one like /tmp is not', async () => {
	const redis = await Redis.start(), warning = /warning: state_dir .*: everybody may write there/;
	for (const [mode, warned] of [[0o777, true], [0o1777, false], [0o750, false]]) {
		const directory = makeDirectory();
		fs.mkdirSync(path.join(directory, 'state'));
		fs.chmodSync(path.join(directory, 'state'), mode);
		const daemon = await Daemon.start({ redis, directory });
		await daemon.stop(); // all of its log is here then
		assert.equal(warning.test(daemon.stderr), warned, `${mode.toString(8)}: ${daemon.stderr}`);
	}
	await redis.stop();
});

test('the log says where it listens, and goes to a file that SIGUSR1 opens again', async () => {
	const redis = await Redis.start(),
		directory = makeDirectory(),
		file = path.join(directory, 'daemon.log');
	const daemon = await Daemon.start({ redis, settings: { 'log.target': file } });
	assert.match(fs.readFileSync(file, 'utf8'), new RegExp(`listening on 127\\.0\\.0\\.1:${daemon.port}`));
	fs.renameSync(file, `${file}.1`);
	daemon.process.kill('SIGUSR1');
	await until(() => fs.existsSync(file));
	daemon.process.kill('SIGHUP');
	await until(() => /reload/.test(fs.readFileSync(file, 'utf8')));
	await until(() => /drained/.test(fs.readFileSync(file, 'utf8')));
	await daemon.stop();
	await redis.stop();
});
