// hardening.test.js: what the processes have given up: privileges, core dumps with keys in them, calls of the kernel.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import {
	Daemon,
	SYNCDOCD,
	assertStatus,
	childrenOf,
	documentPath,
	freePort,
	isAlive,
	makeDirectory,
	run,
	sanitizerEnvironment,
	secret,
	startPair,
	token,
	until,
	writeFile,
} from './harness.js';

const statusOf = pid => fs.readFileSync(`/proc/${pid}/status`, 'utf8');
const field = (pid, name) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(statusOf(pid))[1]);
const coreLimits = pid => /^Max core file size\s+(\S+)\s+(\S+)/m.exec(fs.readFileSync(`/proc/${pid}/limits`, 'utf8')).slice(1);
const workerPids = daemon => daemon.workers().map(worker => worker.pid);
const hasFilter = fs.readFileSync(SYNCDOCD).includes('libseccomp.so');

describe('the kernel is asked for no more than is needed', () => {
	test('no new privileges, in the supervisor, the workers and the embedded Redis, which starts all the same', async () => {
		const daemon = await Daemon.start({ settings: { workers: 2 } });
		try {
			const pids = [daemon.pid, ...childrenOf(daemon.pid).map(child => child.pid)];
			assert.ok(childrenOf(daemon.pid).some(child => /redis|valkey/.test(child.command)));
			assert.equal(pids.length, 4);
			for (const pid of pids) assert.equal(field(pid, 'NoNewPrivs'), 1, statusOf(pid));
		} finally {
			await daemon.stop();
		}
	});

	test('workers run behind the filter, until seccomp = no', { skip: !hasFilter && 'this build has no libseccomp' }, async () => {
		const pair = await startPair({ settings: { workers: 2 } });
		try {
			const { daemon, rest } = pair;
			for (const pid of workerPids(daemon)) assert.equal(field(pid, 'Seccomp'), 2);
			assert.equal(field(daemon.pid, 'Seccomp'), 0, 'the supervisor starts programs');
			const before = workerPids(daemon);
			fs.writeFileSync(daemon.configFile, 'seccomp = no\n');
			daemon.process.kill('SIGHUP');
			await until(() => workerPids(daemon).length === 2 && !workerPids(daemon).some(pid => before.includes(pid)));
			for (const pid of workerPids(daemon)) assert.equal(field(pid, 'Seccomp'), 0);
			rest.close();
			assertStatus(await daemon.client().put(documentPath('s', 'd'), { data: {} }), 201);
		} finally {
			await pair.stop();
		}
	});

	test('behind it the log is opened again, and a worker that dies is replaced', async () => {
		const pair = await startPair({ settings: { workers: 1 }, config: '' });
		const log = path.join(pair.daemon.directory, 'log');
		try {
			const { daemon } = pair;
			fs.writeFileSync(daemon.configFile, `log { target = "${log}"\n access = yes }\n`);
			const [old] = workerPids(daemon);
			daemon.process.kill('SIGHUP');
			await until(() => workerPids(daemon).length === 1 && workerPids(daemon)[0] !== old);
			await daemon.waitUntilReady();
			fs.renameSync(log, `${log}.1`);
			daemon.process.kill('SIGUSR1');
			await until(async () => {
				await daemon.readiness();
				return fs.existsSync(log) && fs.readFileSync(log, 'utf8').includes('access: 127.0.0.1 GET /readyz 200');
			}, undefined, 'the worker writes to the new file');
			const [pid] = workerPids(daemon);
			process.kill(pid, 'SIGKILL');
			await until(() => workerPids(daemon).length === 1 && workerPids(daemon)[0] !== pid);
			await daemon.waitUntilReady();
		} finally {
			await pair.stop();
		}
	});
});

describe('core dumps', () => {
	const key = secret();

	test('are left alone where there are no keys', async () => {
		const pair = await startPair();
		try {
			const own = coreLimits('self');
			for (const pid of [pair.daemon.pid, ...workerPids(pair.daemon)]) assert.equal(coreLimits(pid)[1], own[1]);
		} finally {
			await pair.stop();
		}
	});

	test('are forbidden with auth.mode, also when a reload brings it, and keys and tokens do not get into the log', async () => {
		const pair = await startPair({ settings: { 'log.level': 'debug' } });
		try {
			const { daemon } = pair;
			const file = writeFile(path.join(daemon.directory, 'key'), key);
			const before = workerPids(daemon);
			fs.writeFileSync(daemon.configFile, `auth { mode = "jwt"\n algorithm = "HS256"\n key = {"${file}"} }\n`);
			daemon.process.kill('SIGHUP');
			await until(() => workerPids(daemon).length === 1 && !workerPids(daemon).some(pid => before.includes(pid)));
			for (const pid of [daemon.pid, ...workerPids(daemon)])
				for (const limit of coreLimits(pid)) assert.ok(['0', '1'].includes(limit), limit);
			await daemon.waitUntilReady();
			const good = token({ '*': 'rwp' }, key);
			const bad = `${good.slice(0, -6)}AAAAAA`;
			const rest = daemon.client();
			const answers = [];
			for (const text of [good, bad])
				for (const where of ['header', 'query'])
					answers.push(
						await rest.request('GET', `/v1/services${where === 'query' ? `?access_token=${text}` : ''}`, {
							headers: where === 'header' ? { Authorization: `Bearer ${text}` } : {},
						}),
					);
			assert.deepEqual(answers.map(answer => answer.status), [200, 401, 401, 401]);
			for (const secretText of [key, good.split('.')[2], bad.split('.')[1]]) {
				for (const answer of answers) assert.ok(!answer.text.includes(secretText), answer.text);
				assert.ok(!daemon.stderr.includes(secretText), 'in the log');
			}
		} finally {
			await pair.stop();
		}
	});
});

describe('a pid file', { skip: process.getuid() !== 0 && 'only root becomes somebody else' }, () => {
	const NOBODY = 65534;

	// In the background, as user nobody, with its pid file in `directory`. It waits for a Redis that never comes.
	const start = async directory =>
		run(
			SYNCDOCD,
			Object.entries({
				user: 'nobody',
				group: 'nogroup',
				pid_file: path.join(directory, 'syncdocd.pid'),
				state_dir: path.join(directory, 'state'),
				'log.target': path.join(directory, 'state', 'log'),
				listen: `127.0.0.1:${await freePort()}`,
				workers: 1,
				'redis.url': 'unix:///nowhere',
			}).reduce((args, [key, value]) => [...args, '-o', `${key}=${value}`], ['-c', '/dev/null']),
			{ env: sanitizerEnvironment, deadlineMs: 90000 },
		);

	const makeRunDirectory = owner => {
		const directory = path.join(makeDirectory(), 'run');
		fs.chmodSync(path.dirname(directory), 0o755);
		fs.mkdirSync(directory, { mode: 0o755 });
		fs.chownSync(directory, owner, owner);
		return directory;
	};

	const stop = async file => {
		const pid = Number(fs.readFileSync(file, 'utf8'));
		process.kill(pid, 'SIGTERM');
		await until(() => !isAlive(pid));
	};

	test('in a directory of root below one of the user is opened as the user, also by way of a link', async () => {
		const directory = makeRunDirectory(0), link = path.join(makeRunDirectory(0), 'link');
		fs.symlinkSync(directory, link);
		fs.chownSync(path.dirname(directory), NOBODY, NOBODY);
		for (const place of [directory, link]) {
			const { code, stderr } = await start(place);
			if (code === 0) await stop(path.join(place, 'syncdocd.pid'));
			assert.match(stderr, /^syncdocd: pid_file .*\/syncdocd\.pid: Permission denied \(for user nobody\)$/m);
			assert.equal(code, 1);
		}
	});

	test('that the user has made a link to a file of root leaves that file alone', async () => {
		const directory = makeRunDirectory(NOBODY), victim = path.join(path.dirname(directory), 'victim');
		fs.writeFileSync(victim, 'precious', { mode: 0o600 });
		fs.symlinkSync(victim, path.join(directory, 'syncdocd.pid'));
		const { code, stderr } = await start(directory);
		assert.equal(code, 1, stderr);
		assert.match(stderr, /^syncdocd: pid_file .*\/syncdocd\.pid: Permission denied \(for user nobody\)$/m);
		assert.equal(fs.readFileSync(victim, 'utf8'), 'precious');
	});

	for (const [name, owner] of [['of the user is the user\'s', NOBODY], ['of root is root\'s', 0]])
		test(`in a directory ${name}`, async () => {
			const directory = makeRunDirectory(owner), file = path.join(directory, 'syncdocd.pid');
			fs.mkdirSync(path.join(directory, 'state'), { mode: 0o700 });
			fs.chownSync(path.join(directory, 'state'), NOBODY, NOBODY);
			const { code, stderr } = await start(directory);
			assert.equal(code, 0, stderr);
			try {
				assert.equal(fs.statSync(file).uid, owner);
				const again = await start(directory);
				assert.equal(again.code, 1);
				assert.match(again.stderr, /already running, process \d+/);
			} finally {
				await stop(file);
			}
		});
});
