// init_script.test.js: what packaging/syncdocd.init promises (LSB): exit codes, starting and stopping twice, stale pid files, reload.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import {
	Process,
	Rest,
	SYNCDOCD,
	assertStatus,
	childrenOf,
	documentPath,
	freePort,
	isAlive,
	makeDirectory,
	run,
	sanitizerEnvironment,
	until,
} from './harness.js';

const SCRIPT = new URL('../../packaging/syncdocd.init', import.meta.url).pathname;
const ACTION_MS = 60000;
const isRoot = process.getuid() === 0;

function shellIsThere([command, ...args]) {
	try {
		execFileSync(command, [...args, '-c', ':'], { stdio: 'ignore' });
		return true;
	} catch {
		return false;
	}
}

const shells = [['sh'], ['bash', '--posix'], ['busybox', 'sh']].filter(shellIsThere);
const hosts = new Set();

// A daemon outlives who started it: whatever happens to the tests, it is ended here.
process.on('exit', () => {
	for (const host of hosts) host.kill9();
});

// One host as the script sees it: its /etc/default, configuration and pid file in a directory of their own.
class Host {
	constructor({ shell = ['sh'], defaults = {}, config = '' } = {}) {
		this.shell = shell;
		this.directory = makeDirectory('init');
		fs.chmodSync(this.directory, 0o755);
		this.pidFile = path.join(this.directory, 'run', 'syncdocd.pid');
		this.configFile = path.join(this.directory, 'syncdocd.conf');
		this.defaults = {
			DAEMON: SYNCDOCD,
			CONFIG: this.configFile,
			PID_FILE: this.pidFile,
			LOG_DIR: path.join(this.directory, 'log'),
			OPEN_FILES: 1024,
			STOP_TIMEOUT: 30,
			...defaults,
		};
		this.extra = config;
		hosts.add(this);
	}

	static async make(options) {
		const host = new Host(options);
		host.port = await freePort();
		host.rest = new Rest(`http://127.0.0.1:${host.port}`, { keepAlive: false });
		host.writeConfig();
		fs.writeFileSync(
			path.join(host.directory, 'default'),
			Object.entries(host.defaults)
				.map(([name, value]) => `${name}='${value}'\n`)
				.join(''),
		);
		return host;
	}

	writeConfig(more = '') {
		const { directory, port } = this;
		fs.writeFileSync(
			this.configFile,
			`listen = {"127.0.0.1:${port}"}\nworkers = 1\nstate_dir = "${directory}/state"\ndrain_timeout = 5\n` +
				`documents { max_size = "64KiB" }\nring { size = "4MiB" }\nlog { target = "${directory}/syncdocd.log" }\n` +
				`${this.extra}${more}`,
		);
	}

	get environment() {
		return { ...sanitizerEnvironment, SYNCDOC_DEFAULTS: path.join(this.directory, 'default') };
	}

	// `run` waits until stdout and stderr are closed: a daemon that held them would show here.
	action(words, options = {}) {
		const [command, ...args] = [...this.shell, SCRIPT, ...[words].flat()];
		return run(command, args, { env: this.environment, deadlineMs: ACTION_MS, ...options });
	}

	async expect(words, code, pattern) {
		const result = await this.action(words);
		const text = `${result.stdout}${result.stderr}`;
		assert.equal(result.code, code, `${words}: ${text}`);
		if (pattern) assert.match(text, pattern);
		return text;
	}

	get pid() {
		return Number(fs.readFileSync(this.pidFile, 'utf8'));
	}

	writePidFile(text) {
		fs.mkdirSync(path.dirname(this.pidFile), { recursive: true });
		fs.writeFileSync(this.pidFile, text);
	}

	kill9() {
		try {
			const { pid } = this;
			const command = fs.readFileSync(`/proc/${pid}/comm`, 'utf8');
			if (command.startsWith('syncdocd')) process.kill(pid, 'SIGKILL');
			return pid;
		} catch {
			return undefined; // not running
		}
	}

	async waitUntilReady() {
		await until(async () => (await this.rest.get('/readyz')).status === 200, ACTION_MS);
	}
}

after(async () => {
	for (const host of hosts) {
		host.rest?.close();
		const pid = host.kill9();
		if (pid) await until(() => !isAlive(pid));
	}
});

for (const shell of shells)
	test(`the life of a service, under ${shell.join(' ')}`, async () => {
		const host = await Host.make({ shell });
		await host.expect('status', 3, /not running/);
		await host.expect('start', 0, /started/);
		const first = host.pid;
		assert.ok(isAlive(first));
		assertStatus(await host.rest.get('/livez'), 200);
		await host.expect('status', 0, new RegExp(`process ${first}\\b`));
		await host.expect('start', 0, /already running/);
		assert.equal(host.pid, first);
		await host.expect('restart', 0);
		const second = host.pid;
		assert.notEqual(second, first);
		assert.ok(!isAlive(first));
		await host.expect('try-restart', 0);
		assert.notEqual(host.pid, second);
		const last = host.pid;
		await host.expect('stop', 0, /stopped/);
		assert.ok(!isAlive(last));
		assert.ok(!fs.existsSync(host.pidFile));
		await host.expect('status', 3);
		await host.expect('stop', 0, /not running/);
		await host.expect('try-restart', 0);
		await host.expect('status', 3);
		await host.expect('restart', 0);
		await host.expect('status', 0);
		await host.expect('stop', 0);
	});

describe('reload', () => {
	for (const action of ['reload', 'force-reload'])
		test(`${action} puts new workers in the place of the old ones, in the same daemon`, async () => {
			const host = await Host.make();
			await host.expect(action, 7, /not running/);
			await host.expect('start', 0);
			await host.waitUntilReady();
			const { pid } = host;
			const isWorker = child => child.command.includes('worker');
			const before = childrenOf(pid).filter(isWorker);
			assert.equal(before.length, 1);
			await host.expect(action, 0);
			await until(() => {
				const now = childrenOf(pid).filter(isWorker);
				return now.length === 1 && now[0].pid !== before[0].pid;
			}, ACTION_MS);
			assert.equal(host.pid, pid);
			await host.waitUntilReady();
			await host.expect('stop', 0);
		});

	test('a configuration with a mistake is refused with 6, and what runs goes on', async () => {
		const host = await Host.make();
		await host.expect('start', 0);
		const { pid } = host;
		host.writeConfig('no_such_key = 1\n');
		for (const action of ['reload', 'force-reload', 'restart', 'try-restart'])
			await host.expect(action, 6, /no_such_key/);
		assert.equal(host.pid, pid);
		assertStatus(await host.rest.get('/livez'), 200);
		// What is wrong with the next start is no hindrance to ending this one.
		await host.expect('status', 0);
		await host.expect('stop', 0);
		await host.expect('start', 6, /no_such_key/);
		fs.rmSync(host.configFile);
		await host.expect('start', 6, /cannot be read/);
	});
});

describe('a pid file that says nothing', () => {
	test('after kill -9: status 1, start works, documents are there', async () => {
		const host = await Host.make();
		await host.expect('start', 0);
		await host.waitUntilReady();
		assertStatus(await host.rest.put(documentPath('init', 'x'), { data: { n: 1 } }), 201);
		const pid = host.kill9();
		await until(() => !isAlive(pid));
		await host.expect('status', 1, /dead/);
		await host.expect('reload', 7);
		await host.expect('start', 0);
		assert.notEqual(host.pid, pid);
		await host.waitUntilReady();
		const answer = await host.rest.get(documentPath('init', 'x'));
		assertStatus(answer, 200);
		assert.deepEqual(answer.json.data, { n: 1 });
		await host.expect('stop', 0);
		await host.expect('status', 3);
	});

	test('after kill -9, stop does nothing but tidy up', async () => {
		const host = await Host.make();
		await host.expect('start', 0);
		const pid = host.kill9();
		await until(() => !isAlive(pid));
		await host.expect('stop', 0);
		await host.expect('status', 3);
		assert.ok(!fs.existsSync(host.pidFile));
	});

	for (const [name, text] of [
		['the number of a process that is somebody else', String(process.pid)],
		['the number of no process', '4194303999'],
		['words', 'syncdocd\n'],
		['nothing', ''],
		['all processes', '-1'],
		['a group', '0'],
		['a path', '../1'],
	])
		test(`${name}: status 1, nothing is signalled, start works`, async () => {
			const host = await Host.make();
			host.writePidFile(text);
			await host.expect('status', 1);
			await host.expect('reload', 7);
			await host.expect('stop', 0);
			assert.ok(!fs.existsSync(host.pidFile));
			host.writePidFile(text);
			await host.expect('start', 0);
			await host.expect('status', 0);
			await host.expect('stop', 0);
		});

	test('left by a daemon of another user: start works', { skip: !isRoot && 'needs root' }, async () => {
		const host = await Host.make({ config: 'user = "nobody"\ngroup = "nogroup"\n' });
		fs.chownSync(host.directory, 65534, 65534);
		host.writePidFile('4194303999');
		await host.expect('start', 0);
		assert.equal(fs.statSync(host.pidFile).uid, 65534);
		await host.expect('stop', 0);
	});

	test('a fifo makes nobody wait', async () => {
		const host = await Host.make();
		fs.mkdirSync(path.dirname(host.pidFile));
		execFileSync('mkfifo', [host.pidFile]);
		await host.expect('status', 1);
		await host.expect('stop', 0);
		fs.rmSync(host.pidFile);
	});
});

describe('what cannot be done', () => {
	test('an unknown action, none, or two: 2 and the usage', async () => {
		const host = await Host.make();
		for (const words of [['fly'], [], [''], ['start', 'stop']]) await host.expect(words, 2, /Usage: .*force-reload/);
		await host.expect('status', 3);
	});

	test('no program: 5, but stop and status answer as ever', async () => {
		const host = await Host.make({ defaults: { DAEMON: '/nowhere/syncdocd' } });
		for (const action of ['start', 'restart', 'reload', 'force-reload'])
			await host.expect(action, 5, /\/nowhere\/syncdocd is not installed/);
		await host.expect('stop', 0);
		await host.expect('status', 3);
	});

	test('a port that is taken: 1 and the reason', async () => {
		const host = await Host.make();
		const server = net.createServer();
		await new Promise(resolve => server.listen(host.port, '127.0.0.1', resolve));
		await host.expect('start', 1, new RegExp(`127\\.0\\.0\\.1:${host.port}.*Address already in use`));
		await host.expect('status', 3);
		await new Promise(resolve => server.close(resolve));
		await host.expect('start', 0);
		await host.expect('stop', 0);
	});

	test('an open-files limit that is out of reach: a warning, and it runs', async () => {
		const host = await Host.make({ defaults: { OPEN_FILES: 99999999999 } });
		await host.expect('start', 0, /OPEN_FILES=99999999999/);
		await host.expect('stop', 0);
	});

	test('others than root may ask for the status, no more', { skip: !isRoot && 'needs root' }, async () => {
		const host = await Host.make();
		await host.expect('start', 0);
		const as = { uid: 65534, gid: 65534 };
		assert.equal((await host.action('status', as)).code, 0);
		assert.equal((await host.action('stop', as)).code, 4);
		assert.equal((await host.action('reload', as)).code, 4);
		assert.equal((await host.action('status')).code, 0);
		await host.expect('stop', 0);
		assert.equal((await host.action('status', as)).code, 3);
		host.writeConfig('user = "root"\n');
		const start = await host.action('start', as);
		assert.equal(start.code, 4, start.stderr);
		assert.match(`${start.stdout}${start.stderr}`, /only root/);
	});
});

test('two starts at once: both succeed, one daemon', async () => {
	const host = await Host.make();
	const [one, other] = await Promise.all([host.action('start'), host.action('start')]);
	assert.deepEqual([one.code, other.code], [0, 0], `${one.stderr}${other.stderr}`);
	await host.expect('status', 0);
	await host.expect('stop', 0);
	await host.expect('status', 3);
});

test('a daemon that does not end is killed after STOP_TIMEOUT, with its children', async () => {
	const host = await Host.make({ defaults: { STOP_TIMEOUT: 1 } });
	await host.expect('start', 0);
	await host.waitUntilReady();
	const { pid } = host;
	const children = childrenOf(pid);
	assert.ok(children.length >= 2, 'a worker and a Redis');
	process.kill(pid, 'SIGSTOP');
	await host.expect('stop', 0, /killed/);
	assert.ok(!isAlive(pid));
	await until(() => children.every(child => !isAlive(child.pid)), ACTION_MS);
	await host.expect('status', 3);
});

test('a program that was replaced while it ran is still known', async () => {
	const program = path.join(makeDirectory('program'), 'syncdocd');
	fs.copyFileSync(SYNCDOCD, program);
	const host = await Host.make({ defaults: { DAEMON: program } });
	await host.expect('start', 0);
	const { pid } = host;
	fs.copyFileSync(SYNCDOCD, `${program}.new`);
	fs.renameSync(`${program}.new`, program);
	await host.expect('status', 0);
	await host.expect('start', 0, /already/);
	await host.expect('restart', 0);
	assert.ok(!isAlive(pid));
	fs.rmSync(program);
	await host.expect('status', 0);
	await host.expect('stop', 0);
	await host.expect('status', 3);
});

test('the daemon keeps no descriptor of who started it', async () => {
	const host = await Host.make();
	const starter = new Process('sh', [SCRIPT, 'start'], {
		env: host.environment,
		stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
	});
	const ended = new Promise(resolve => starter.child.stdio[3].resume().on('close', resolve));
	assert.equal((await starter.waitForExit(ACTION_MS)).code, 0, starter.stderr);
	let closed = false;
	ended.then(() => (closed = true));
	await until(() => closed, undefined, 'descriptor 3 is closed');
	await host.expect('stop', 0);
});
